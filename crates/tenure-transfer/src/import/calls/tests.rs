use super::*;

fn map(mapping: &str, name: &str, source: &str) -> Vec<Result<Vec<Value>, String>> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("subscriptions.csv"),
        "subscription_id,account_id\nS-1,A-1\n",
    )
    .unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, source).unwrap();
    let mapping = Mapping::parse(mapping).unwrap();
    let rows = Rows::open(&path, &mapping).unwrap();
    let mapper = Mapper::new(mapping, &path, "f1").unwrap();
    rows.map(|row| mapper.calls(&row.unwrap())).collect()
}

#[test]
fn one_row_becomes_several_calls_each_with_its_own_lasting_id() {
    let mapping = "
import: subscriptions
row_id: id
outputs:
  - kind: accounts
    account_id: account
    traits: { plan: plan, seats: { column: seats, type: number } }
  - kind: events
    event: subscription_started
    account_id: account
    occurred_at: start
    properties: { trial: { column: trial, type: flag } }
  - kind: events
    event: subscription_ended
    account_id: account
    occurred_at: end
    skip_if: { column: end, empty: true }
";
    let found = map(
        mapping,
        "s.csv",
        "id,account,plan,seats,trial,start,end\nS-1,A-1,Pro,17,False,2024-06-11,\nS-2,A-2,,,True,2024-01-01,2024-02-01\n",
    );
    let first = found[0].as_ref().unwrap();
    assert_eq!(
        first[0],
        json!({"type": "group", "messageId": "import:subscriptions:S-1:0", "groupId": "A-1", "traits": {"plan": "Pro", "seats": 17}})
    );
    assert_eq!(
        first[1],
        json!({"type": "track", "messageId": "import:subscriptions:S-1:1", "timestamp": "2024-06-11T00:00:00.000Z",
               "event": "subscription_started", "context": {"groupId": "A-1"}, "properties": {"trial": false}})
    );
    assert_eq!(first.len(), 2);
    let second = found[1].as_ref().unwrap();
    assert_eq!(second.len(), 3);
    assert_eq!(second[0]["traits"], json!({}));
    assert_eq!(second[2]["event"], "subscription_ended");
}

#[test]
fn a_lookup_leads_from_one_file_to_another_and_says_what_it_lacks() {
    let mapping = "
import: usage
lookups: { account_of: { file: subscriptions.csv, key: subscription_id, value: account_id } }
outputs:
  - kind: events
    event: feature_used
    account_id: { column: subscription, lookup: account_of }
    occurred_at: day
";
    let found = map(
        mapping,
        "u.csv",
        "subscription,day\nS-1,2024-06-11\nS-9,2024-06-11\n",
    );
    assert_eq!(found[0].as_ref().unwrap()[0]["context"]["groupId"], "A-1");
    assert_eq!(
        found[0].as_ref().unwrap()[0]["messageId"],
        "import:usage:f1:1:0"
    );
    assert_eq!(
        found[1].as_ref().unwrap_err(),
        "lookup `account_of` has no `S-9`"
    );
}

#[test]
fn a_person_is_told_with_traits_and_account_and_may_be_known_by_address_only() {
    let mapping = "
import: people
outputs:
  - kind: people
    user_id: id
    email: mail
    account_id: company
    traits: { language: { column: lang, default: en, map: { deutsch: de } } }
";
    let found = map(
        mapping,
        "p.jsonl",
        "{\"id\":7,\"mail\":\"noor@example.com\",\"company\":\"A-1\",\"lang\":\"deutsch\"}\n{\"mail\":\"a@example.com\"}\n{\"lang\":\"x\"}\n",
    );
    let first = found[0].as_ref().unwrap();
    assert_eq!(first[0]["userId"], "7");
    assert_eq!(
        first[0]["traits"],
        json!({"email": "noor@example.com", "language": "de"})
    );
    assert_eq!(
        (&first[1]["type"], &first[1]["groupId"]),
        (&json!("group"), &json!("A-1"))
    );
    let second = found[1].as_ref().unwrap();
    assert_eq!(second.len(), 1);
    assert_eq!(
        second[0]["traits"],
        json!({"email": "a@example.com", "language": "en"})
    );
    assert!(found[2].as_ref().unwrap_err().starts_with("names nobody"));
}

#[test]
fn a_row_with_a_wrong_value_is_rejected_with_column_and_reason() {
    let mapping = "
import: x
outputs:
  - { kind: events, event: { column: what }, user_id: u, occurred_at: { column: at, format: '%d.%m.%Y' }, properties: { n: { column: n, type: number } } }
";
    let found = map(
        mapping,
        "x.csv",
        "what,u,at,n\na,u1,11.06.2024,many\nb,u1,2024-06-11,1\n,u1,11.06.2024,1\n",
    );
    assert!(
        found[0]
            .as_ref()
            .unwrap_err()
            .starts_with("`n`: column `n` is not a number")
    );
    assert_eq!(
        found[1].as_ref().unwrap_err(),
        "`occurred_at`: column `at` is not a date of the form `%d.%m.%Y`"
    );
    assert_eq!(
        found[2].as_ref().unwrap_err(),
        "`event`: column `what` is empty"
    );
}

#[test]
fn a_column_that_the_file_lacks_is_found_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    std::fs::write(&path, "user_id,acount\n").unwrap();
    let mapping =
        Mapping::parse("import: x\noutputs: [{ kind: accounts, account_id: account }]").unwrap();
    let error = Rows::open(&path, &mapping).err().unwrap().to_string();
    assert!(
        error.ends_with("has no column `account`, which the mapping names; it has acount, user_id"),
        "{error}"
    );
}
