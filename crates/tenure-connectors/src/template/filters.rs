//! Filters beside Liquid's own: `percent`, `money`, `date`, `json` and `raw`.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use liquid_core::error::Result;
use liquid_core::model::{Value, ValueView};
use liquid_core::parser::{
    FilterArguments, FilterReflection, ParameterReflection, ParseFilter, PluginRegistry,
};
use liquid_core::runtime::{Expression, Runtime};
use liquid_core::{Error, Filter};
use liquid_lib::stdlib;

/// Numbers from here on are milliseconds since 1970, smaller ones seconds (the year 5138).
const MILLISECONDS_FROM: f64 = 1e11;
/// Most decimals that `percent` and `money` print.
const DECIMALS_MAX: i64 = 6;

type Registry = PluginRegistry<Box<dyn ParseFilter>>;

/// Adds all filters that templates may use. `concat` is left out, since it could grow a list without bound.
pub(super) fn register(filters: &mut Registry) {
    macro_rules! add {
        ($($filter:expr),* $(,)?) => {
            $({
                let filter: Box<dyn ParseFilter> = $filter.into();
                let name = filter.reflection().name().to_owned();
                filters.register(name, filter);
            })*
        };
    }
    add!(
        stdlib::Abs,
        stdlib::Append,
        stdlib::AtLeast,
        stdlib::AtMost,
        stdlib::Capitalize,
        stdlib::Ceil,
        stdlib::Compact,
        stdlib::Default,
        stdlib::DividedBy,
        stdlib::Downcase,
        stdlib::Escape,
        stdlib::First,
        stdlib::Floor,
        stdlib::Join,
        stdlib::Last,
        stdlib::Lstrip,
        stdlib::Map,
        stdlib::Minus,
        stdlib::Modulo,
        stdlib::Plus,
        stdlib::Prepend,
        stdlib::Remove,
        stdlib::RemoveFirst,
        stdlib::Replace,
        stdlib::ReplaceFirst,
        stdlib::Reverse,
        stdlib::Round,
        stdlib::Rstrip,
        stdlib::Size,
        stdlib::Slice,
        stdlib::Sort,
        stdlib::SortNatural,
        stdlib::Split,
        stdlib::Strip,
        stdlib::StripHtml,
        stdlib::StripNewlines,
        stdlib::Times,
        stdlib::Truncate,
        stdlib::TruncateWords,
        stdlib::Uniq,
        stdlib::Upcase,
        stdlib::UrlEncode,
        stdlib::Where,
    );
    for filter in [Own::Percent, Own::Money, Own::Date, Own::Json, Own::Raw] {
        filters.register(filter.name().to_owned(), Box::new(filter));
    }
}

/// A filter of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Own {
    Percent,
    Money,
    Date,
    Json,
    Raw,
}

impl FilterReflection for Own {
    fn name(&self) -> &'static str {
        match self {
            Self::Percent => "percent",
            Self::Money => "money",
            Self::Date => "date",
            Self::Json => "json",
            Self::Raw => "raw",
        }
    }

    fn description(&self) -> &'static str {
        match self {
            Self::Percent => "0.125 as 13%; the argument is the number of decimals",
            Self::Money => {
                "1234.5 as 1,234.50 EUR; arguments are the currency and the number of decimals"
            }
            Self::Date => "a time in a strftime format and an optional time zone",
            Self::Json => "a value as JSON, with the quotation marks of a text",
            Self::Raw => "writes a value as it is, without escaping",
        }
    }

    fn positional_parameters(&self) -> &'static [ParameterReflection] {
        &[]
    }

    fn keyword_parameters(&self) -> &'static [ParameterReflection] {
        &[]
    }
}

impl ParseFilter for Own {
    fn parse(&self, mut arguments: FilterArguments<'_>) -> Result<Box<dyn Filter>> {
        let positional: Vec<Expression> = arguments.positional.by_ref().collect();
        let (least, most) = match self {
            Self::Percent => (0, 1),
            Self::Money => (0, 2),
            Self::Date => (1, 2),
            Self::Json | Self::Raw => (0, 0),
        };
        let fits = (least..=most).contains(&positional.len()) && arguments.keyword.next().is_none();
        if !fits {
            return Err(Error::with_msg(format!(
                "`{}` takes {least} to {most} arguments: {}",
                self.name(),
                self.description()
            )));
        }
        Ok(Box::new(OwnCall {
            filter: *self,
            arguments: positional,
        }))
    }

    fn reflection(&self) -> &dyn FilterReflection {
        self
    }
}

#[derive(Debug)]
struct OwnCall {
    filter: Own,
    arguments: Vec<Expression>,
}

impl fmt::Display for OwnCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.filter.name())
    }
}

impl Filter for OwnCall {
    fn evaluate(&self, input: &dyn ValueView, runtime: &dyn Runtime) -> Result<Value> {
        if self.filter == Own::Json {
            let json = serde_json::to_string(&input.to_value())
                .map_err(|_| Error::with_msg("this cannot be written as JSON"))?;
            return Ok(Value::scalar(json));
        }
        if input.is_nil() {
            return Ok(input.to_value());
        }
        match self.filter {
            Own::Percent => {
                let decimals = self.decimals(0, 0, runtime)?;
                Ok(Value::scalar(format!(
                    "{:.decimals$}%",
                    number(input)? * 100.0
                )))
            }
            Own::Money => {
                let currency = self.text(0, runtime)?;
                let decimals = self.decimals(1, 2, runtime)?;
                Ok(Value::scalar(money(
                    number(input)?,
                    decimals,
                    currency.as_deref(),
                )))
            }
            Own::Date => {
                let format = self.text(0, runtime)?.unwrap_or_default();
                let zone = self.text(1, runtime)?;
                Ok(Value::scalar(date(input, &format, zone.as_deref())?))
            }
            Own::Json | Own::Raw => Ok(input.to_value()),
        }
    }
}

impl OwnCall {
    fn text(&self, index: usize, runtime: &dyn Runtime) -> Result<Option<String>> {
        let Some(argument) = self.arguments.get(index) else {
            return Ok(None);
        };
        Ok(Some(argument.evaluate(runtime)?.to_kstr().to_string()))
    }

    fn decimals(&self, index: usize, default: usize, runtime: &dyn Runtime) -> Result<usize> {
        let Some(argument) = self.arguments.get(index) else {
            return Ok(default);
        };
        let value = argument.evaluate(runtime)?;
        value
            .as_scalar()
            .and_then(|scalar| scalar.to_integer())
            .filter(|count| (0..=DECIMALS_MAX).contains(count))
            .and_then(|count| usize::try_from(count).ok())
            .ok_or_else(|| {
                Error::with_msg(format!(
                    "decimals must be a whole number from 0 to {DECIMALS_MAX}"
                ))
            })
    }
}

fn number(input: &dyn ValueView) -> Result<f64> {
    input
        .as_scalar()
        .and_then(|scalar| scalar.to_float())
        .filter(|number| number.is_finite())
        .ok_or_else(|| Error::with_msg("a number is needed here"))
}

fn money(amount: f64, decimals: usize, currency: Option<&str>) -> String {
    let plain = format!("{:.decimals$}", amount.abs());
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let mut out = String::new();
    let is_zero = plain.chars().all(|c| c == '0' || c == '.');
    if amount < 0.0 && !is_zero {
        out.push('-');
    }
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    if let Some(currency) = currency {
        out.push(' ');
        out.push_str(currency);
    }
    out
}

/// Reads RFC 3339 times, plain dates, and seconds or milliseconds since 1970.
fn date(input: &dyn ValueView, format: &str, zone: Option<&str>) -> Result<String> {
    let zone = match zone {
        Some(name) => {
            TimeZone::get(name).map_err(|_| Error::with_msg("the time zone is not known"))?
        }
        None => TimeZone::UTC,
    };
    let text = input.to_kstr().to_string();
    let text = text.trim();
    let unreadable =
        || Error::with_msg("a date like 2026-03-01 or 2026-03-01T09:00:00Z is needed here");
    let time = if let Ok(number) = text.parse::<f64>() {
        let milliseconds = if number.abs() < MILLISECONDS_FROM {
            number * 1_000.0
        } else {
            number
        };
        let stamp = Timestamp::from_millisecond(milliseconds as i64).map_err(|_| unreadable())?;
        stamp.to_zoned_datetime(zone)
    } else if let Ok(stamp) = text.parse::<Timestamp>() {
        stamp.to_zoned_datetime(zone)
    } else {
        // A date without a time is that day everywhere, so the zone does not move it.
        let day: jiff::civil::Date = text.parse().map_err(|_| unreadable())?;
        day.in_tz("UTC").map_err(|_| unreadable())?
    };
    let formatted = jiff::fmt::strtime::format(format, &time);
    formatted.map_err(|_| {
        Error::with_msg("the date format is not valid; see strftime, for example `%d %B %Y`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_groups_thousands_and_keeps_its_sign() {
        assert_eq!(money(1_234_567.891, 2, Some("EUR")), "1,234,567.89 EUR");
        assert_eq!(money(-999.0, 0, None), "-999");
        assert_eq!(money(-0.001, 2, None), "0.00");
    }

    #[test]
    fn dates_are_read_in_the_forms_that_events_carry() {
        let format = "%Y-%m-%d %H:%M";
        for (input, zone, out) in [
            (
                Value::scalar("2026-03-01T09:00:00Z"),
                None,
                "2026-03-01 09:00",
            ),
            (
                Value::scalar("2026-03-01T09:00:00Z"),
                Some("Europe/Vienna"),
                "2026-03-01 10:00",
            ),
            (
                Value::scalar("2026-03-01"),
                Some("America/New_York"),
                "2026-03-01 00:00",
            ),
            (Value::scalar(1_772_355_600_i64), None, "2026-03-01 09:00"),
            (
                Value::scalar(1_772_355_600_000_i64),
                None,
                "2026-03-01 09:00",
            ),
        ] {
            assert_eq!(date(&input, format, zone).unwrap(), out);
        }
        assert!(date(&Value::scalar("soon"), format, None).is_err());
    }
}
