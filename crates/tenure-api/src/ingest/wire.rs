//! The JSON of the tracking API, borrowed from the request. Reading never fails on a value of a
//! wrong kind: it is kept as such, so that the report can name the field.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A value that should be text, as sent.
#[derive(Debug, Default)]
pub(super) enum Scalar<'a> {
    /// Not there, or null.
    #[default]
    Missing,
    /// Text.
    Text(Cow<'a, str>),
    /// A number.
    Number(serde_json::Number),
    /// Anything else; its kind in words.
    Other(&'static str),
}

/// One call as sent.
#[derive(Debug, Default)]
pub(super) struct RawCall<'a> {
    pub(super) kind: Scalar<'a>,
    pub(super) message_id: Scalar<'a>,
    pub(super) user_id: Scalar<'a>,
    pub(super) anonymous_id: Scalar<'a>,
    pub(super) group_id: Scalar<'a>,
    pub(super) previous_id: Scalar<'a>,
    pub(super) event: Scalar<'a>,
    pub(super) name: Scalar<'a>,
    pub(super) category: Scalar<'a>,
    pub(super) timestamp: Scalar<'a>,
    pub(super) original_timestamp: Scalar<'a>,
    pub(super) sent_at: Scalar<'a>,
    pub(super) write_key: Scalar<'a>,
    pub(super) properties: Option<&'a RawValue>,
    pub(super) traits: Option<&'a RawValue>,
    pub(super) context: Context<'a>,
}

/// What is used of a call's context.
#[derive(Debug, Default)]
pub(super) struct Context<'a> {
    pub(super) group_id: Scalar<'a>,
    pub(super) timezone: Scalar<'a>,
    pub(super) locale: Scalar<'a>,
    pub(super) traits: Option<&'a RawValue>,
    /// It was neither an object nor null.
    pub(super) malformed: bool,
}

/// Many calls as sent.
#[derive(Debug, Default)]
pub(super) struct RawBatch<'a> {
    pub(super) batch: Items<'a>,
    /// The same under the name that our own API uses.
    pub(super) calls: Items<'a>,
    pub(super) sent_at: Scalar<'a>,
    pub(super) write_key: Scalar<'a>,
    pub(super) historical: Scalar<'a>,
}

/// The calls of a batch, each as its text.
#[derive(Debug, Default)]
pub(super) enum Items<'a> {
    /// There is no list.
    #[default]
    Missing,
    /// Not a list.
    Malformed,
    /// The list.
    List(Vec<&'a RawValue>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Scalar<'de>, E> {
        let number = serde_json::Number::from_f64(number);
        Ok(number.map_or(Scalar::Other("not a finite number"), Scalar::Number))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Other(if flag { "true" } else { "false" }))
    }

    fn visit_unit<E>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Missing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Scalar<'de>, A::Error> {
        IgnoredAny.visit_seq(seq)?;
        Ok(Scalar::Other("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Scalar<'de>, A::Error> {
        IgnoredAny.visit_map(map)?;
        Ok(Scalar::Other("an object"))
    }
}

/// Defines how an object with known keys is read: unknown keys are skipped, of a repeated key the
/// last counts.
macro_rules! object_visitor {
    ($visitor:ident, $key:ident, $object:ident, { $($name:literal => $variant:ident $field:ident),+ $(,)? }) => {
        enum $key { $($variant,)+ Unknown }

        impl<'de> Deserialize<'de> for $key {
            fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
                struct KeyVisitor;
                impl Visitor<'_> for KeyVisitor {
                    type Value = $key;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a key")
                    }
                    fn visit_str<E>(self, key: &str) -> Result<$key, E> {
                        Ok(match key {
                            $($name => $key::$variant,)+
                            _ => $key::Unknown,
                        })
                    }
                }
                reader.deserialize_identifier(KeyVisitor)
            }
        }

        struct $visitor;

        impl<'de> Visitor<'de> for $visitor {
            type Value = $object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut out = $object::default();
                while let Some(key) = map.next_key::<$key>()? {
                    match key {
                        $($key::$variant => out.$field = map.next_value()?,)+
                        $key::Unknown => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(out)
            }

            object_visitor!(@rest $visitor);
        }
    };
    (@rest ContextVisitor) => {
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Context::default())
        }
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok(Context::malformed())
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok(Context::malformed())
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok(Context::malformed())
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok(Context::malformed())
        }
        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok(Context::malformed())
        }
        fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
            IgnoredAny.visit_seq(seq)?;
            Ok(Context::malformed())
        }
    };
    (@rest $visitor:ident) => {};
}

object_visitor!(CallVisitor, CallKey, RawCall, {
    "type" => Kind kind,
    "messageId" => MessageId message_id,
    "userId" => UserId user_id,
    "anonymousId" => AnonymousId anonymous_id,
    "groupId" => GroupId group_id,
    "previousId" => PreviousId previous_id,
    "event" => Event event,
    "name" => Name name,
    "category" => Category category,
    "timestamp" => At timestamp,
    "originalTimestamp" => OriginalAt original_timestamp,
    "sentAt" => SentAt sent_at,
    "writeKey" => WriteKey write_key,
    "properties" => Properties properties,
    "traits" => Traits traits,
    "context" => Context context,
});

object_visitor!(ContextVisitor, ContextKey, Context, {
    "groupId" => GroupId group_id,
    "timezone" => Timezone timezone,
    "locale" => Locale locale,
    "traits" => Traits traits,
});

object_visitor!(BatchVisitor, BatchKey, RawBatch, {
    "batch" => Batch batch,
    "calls" => Calls calls,
    "sentAt" => SentAt sent_at,
    "writeKey" => WriteKey write_key,
    "historical" => Historical historical,
});

impl Context<'_> {
    fn malformed() -> Self {
        Self {
            malformed: true,
            ..Self::default()
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Context<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(ContextVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawCall<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_map(CallVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawBatch<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_map(BatchVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct ItemsVisitor;
        impl<'de> Visitor<'de> for ItemsVisitor {
            type Value = Items<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of calls")
            }

            fn visit_unit<E>(self) -> Result<Items<'de>, E> {
                Ok(Items::Missing)
            }

            fn visit_str<E>(self, _: &str) -> Result<Items<'de>, E> {
                Ok(Items::Malformed)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Items<'de>, A::Error> {
                IgnoredAny.visit_map(map)?;
                Ok(Items::Malformed)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Items<'de>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element::<&RawValue>()? {
                    items.push(item);
                }
                Ok(Items::List(items))
            }
        }
        reader.deserialize_any(ItemsVisitor)
    }
}

/// Where and why a JSON text is not valid, without quoting it.
pub(super) fn syntax_reason(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Data => "it is not a JSON object",
        _ => "it is not valid JSON",
    };
    format!("{what}, at line {} column {}", error.line(), error.column())
}
