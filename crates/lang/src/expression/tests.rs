//! Tables of expressions with what the service makes of them.

use super::*;
use serde_json::json;

fn map(value: Value) -> Item {
    value.as_object().cloned().unwrap_or_default()
}

fn names() -> Item {
    map(json!({"#n": "name", "#s": "status", "#dot": "a.b"}))
}

fn values() -> Item {
    map(json!({
        ":one": {"N": "1"}, ":two": {"N": "2.0"}, ":ten": {"N": "10"}, ":big": {"N": "1e120"},
        ":a": {"S": "a"}, ":b": {"S": "b"}, ":blue": {"S": "blue"}, ":t": {"S": "N"}, ":bad": {"S": "Q"},
        ":list": {"L": [{"S": "x"}]}, ":map": {"M": {"k": {"S": "v"}}}, ":null": {"NULL": true},
        ":set": {"SS": ["blue", "green"]}, ":red": {"SS": ["red"]}, ":all": {"SS": ["red", "blue"]}, ":bytes": {"B": "AQI="}
    }))
}

fn item() -> Item {
    map(json!({
        "id": {"S": "x"}, "name": {"S": "bluebird"}, "status": {"S": "a"}, "n": {"N": "2"}, "a.b": {"S": "dotted"},
        "tags": {"SS": ["red", "blue"]}, "things": {"L": [{"S": "zero"}, {"N": "1"}, {"M": {"deep": {"S": "a"}}}]},
        "m": {"M": {"k": {"S": "v"}, "n": {"N": "5"}}}, "bin": {"B": "AQID"}, "yes": {"BOOL": true}, "nothing": {"NULL": true}
    }))
}

#[test]
fn conditions() {
    let table = [
        ("attribute_exists(id)", true),
        ("attribute_not_exists(absent)", true),
        ("attribute_exists(m.k) AND attribute_exists(things[2].deep)", true),
        ("attribute_exists(things[3])", false),
        ("attribute_exists(#dot)", true),
        ("attribute_type(n, :t)", true),
        ("begins_with(#n, :blue)", true),
        ("begins_with(bin, :bytes)", true),
        ("contains(#n, :b)", true),
        ("contains(tags, :blue)", true),
        ("contains(things, :one)", true),
        ("contains(n, :a)", false),
        ("size(#n) = :ten", false),
        ("size(tags) = :two", true),
        ("size(bin) > :two", true),
        ("size(absent) > :one", false),
        ("n = :two", true),
        ("n <> :two", false),
        ("absent <> :two", true),
        ("absent = another", false),
        ("n < :ten AND n >= :two", true),
        ("n > :a", false),
        ("n BETWEEN :one AND :ten", true),
        ("n BETWEEN :one AND :ten AND #s = :b", false),
        ("#s IN (:b, :a)", true),
        ("NOT #s = :b", true),
        ("not (#s = :a or n = :two)", false),
        ("#s = :b OR #s = :a AND n = :two", true),
        ("(#s = :b OR #s = :a) AND n = :one", false),
        ("tags = :all", true),
        ("(n) = (:two)", true),
        ("nothing = :null", true),
    ];
    for (text, expected) in table {
        let condition =
            Condition::parse(text, &names(), &values()).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(condition.matches(&item()), expected, "{text}");
    }
}

#[test]
fn condition_errors() {
    let long = format!("{}id = :a", "(".repeat(200));
    let table: &[(&str, &str)] = &[
        ("", "The expression can not be empty;"),
        ("id = ", "Syntax error; token: \"<EOF>\", near: \"=\""),
        ("id == :a", "Syntax error; token: \"=\", near: \"== :a\""),
        ("id = :a extra more", "Syntax error; token: \"extra\", near: \":a extra more\""),
        ("id", "Syntax error; token: \"<EOF>\", near: \"id\""),
        ("foo-bar = :a", "Syntax error; token: \"-\", near: \"foo-bar\""),
        ("NAME = :a", "Attribute name is a reserved keyword; reserved keyword: NAME"),
        (
            "#x = :a",
            "An expression attribute name used in the document path is not defined; attribute name: #x",
        ),
        ("id = :x", "An expression attribute value used in expression is not defined; attribute value: :x"),
        ("((id = :a))", "The expression has redundant parentheses;"),
        ("nope(id)", "Invalid function name; function: nope"),
        ("size(id)", "The function is not allowed to be used this way in an expression; function: size"),
        (
            "contains(id, :a) = :b",
            "The function is not allowed to be used this way in an expression; function: contains",
        ),
        (
            "contains(id)",
            "Incorrect number of operands for operator or function; operator or function: contains, number of operands: 1",
        ),
        (
            "attribute_exists(:a)",
            "Operator or function requires a document path; operator or function: attribute_exists",
        ),
        (
            "begins_with(id, :one)",
            "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
        ),
        (
            "attribute_type(id, :bad)",
            "Invalid attribute type name found; type: Q, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
        ),
        (
            "id < :map",
            "Incorrect operand type for operator or function; operator or function: <, operand type: M",
        ),
        (
            "id = id",
            "The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [id]",
        ),
        (
            "n BETWEEN :ten AND :one",
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {N:10}, upper bound operand: AttributeValue: {N:1}",
        ),
        (&long, "The expression has too many nested levels"),
    ];
    for (text, expected) in table {
        let error = Condition::parse(text, &names(), &values()).expect_err(text);
        assert_eq!(error.message(), format!("Invalid ConditionExpression: {expected}"), "{text}");
    }
    let error = Condition::parse_filter("id", &names(), &values()).unwrap_err();
    assert!(error.message().starts_with("Invalid FilterExpression: "));
}

#[test]
fn updates() {
    let table = [
        ("SET n = :ten", json!({"n": {"N": "10"}}), vec![]),
        ("set n = n + :one, id2 = n - :ten", json!({"n": {"N": "3"}, "id2": {"N": "-8"}}), vec![]),
        ("SET fresh = if_not_exists(fresh, :one) + :one", json!({"fresh": {"N": "2"}}), vec![]),
        ("SET n = if_not_exists(n, :ten)", json!({}), vec![]),
        (
            "SET things = list_append(:list, things)",
            json!({"things": {"L": [{"S": "x"}, {"S": "zero"}, {"N": "1"}, {"M": {"deep": {"S": "a"}}}]}}),
            vec![],
        ),
        (
            "SET things[9] = :b, things[7] = :a, things[0] = :one",
            json!({"things": {"L": [{"N": "1"}, {"N": "1"}, {"M": {"deep": {"S": "a"}}}, {"S": "a"}, {"S": "b"}]}}),
            vec![],
        ),
        (
            "REMOVE things[0], things[1] SET m.k = :a",
            json!({"things": {"L": [{"M": {"deep": {"S": "a"}}}]}, "m": {"M": {"k": {"S": "a"}, "n": {"N": "5"}}}}),
            vec![],
        ),
        ("REMOVE n, absent, m.absent", json!({}), vec!["n"]),
        (
            "ADD n :one, fresh :ten, tags :set",
            json!({"n": {"N": "3"}, "fresh": {"N": "10"}, "tags": {"SS": ["blue", "green", "red"]}}),
            vec![],
        ),
        ("ADD m.n :two", json!({"m": {"M": {"k": {"S": "v"}, "n": {"N": "7"}}}}), vec![]),
        ("DELETE tags :red, absent :red", json!({"tags": {"SS": ["blue"]}}), vec![]),
        ("DELETE tags :all", json!({}), vec!["tags"]),
        ("SET n = (n + :one)", json!({"n": {"N": "3"}}), vec![]),
    ];
    for (text, changed, removed) in table {
        let update =
            Update::parse(text, &names(), &values()).unwrap_or_else(|error| panic!("{text}: {error}"));
        let mut expected = item();
        expected.extend(map(changed));
        removed.iter().for_each(|name| {
            expected.shift_remove(*name);
        });
        assert_eq!(update.apply(&item()), Ok(expected), "{text}");
    }
    let update = Update::parse("SET m.k = :a, fresh = :b REMOVE n", &names(), &values()).unwrap();
    let new = update.apply(&item()).unwrap();
    assert_eq!(
        Value::Object(update.touched_part(&item())),
        json!({"m": {"M": {"k": {"S": "v"}}}, "n": {"N": "2"}})
    );
    assert_eq!(
        Value::Object(update.touched_part(&new)),
        json!({"m": {"M": {"k": {"S": "a"}}}, "fresh": {"S": "b"}})
    );
    assert_eq!(update.attributes().collect::<Vec<_>>(), ["fresh", "m", "n"]);
}

#[test]
fn update_errors() {
    let invalid = |text: &str| format!("Invalid UpdateExpression: {text}");
    let path = "The document path provided in the update expression is invalid for update".to_owned();
    let kind = "An operand in the update expression has an incorrect data type".to_owned();
    let table = [
        ("SET", invalid("Syntax error; token: \"<EOF>\", near: \"SET\"")),
        ("SET a = :a, SET b = :b", invalid("Syntax error; token: \"SET\", near: \", SET b\"")),
        ("UPSERT a", invalid("Syntax error; token: \"UPSERT\", near: \"UPSERT a\"")),
        ("SET x = :a + ", invalid("Syntax error; token: \"<EOF>\", near: \"+\"")),
        (
            "SET x = :a SET y = :a",
            invalid("The \"SET\" section can only be used once in an update expression;"),
        ),
        ("SET name = :a", invalid("Attribute name is a reserved keyword; reserved keyword: name")),
        (
            "SET m.k = :a REMOVE m",
            invalid(
                "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [m, k], path two: [m]",
            ),
        ),
        (
            "SET m.k = :a, m[0] = :a",
            invalid(
                "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [m, k], path two: [m, [0]]",
            ),
        ),
        (
            "ADD n :a",
            invalid(
                "Incorrect operand type for operator or function; operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND",
            ),
        ),
        (
            "SET n = n + :a",
            invalid(
                "Incorrect operand type for operator or function; operator or function: +, operand type: S",
            ),
        ),
        ("SET n = size(n)", invalid("The function is not allowed in an update expression; function: size")),
        (
            "SET n = absent",
            "The provided expression refers to an attribute that does not exist in the item".to_owned(),
        ),
        ("SET n = id + :one", kind.clone()),
        ("ADD id :one", kind.clone()),
        ("DELETE n :red", kind.clone()),
        ("SET things = list_append(n, things)", kind),
        ("SET absent.k = :a", path.clone()),
        ("SET id.k = :a", path.clone()),
        ("REMOVE absent[0]", path),
        ("ADD n :big", "Attempting to store more than 38 significant digits in a Number".to_owned()),
    ];
    for (text, expected) in table {
        let result = Update::parse(text, &names(), &values()).and_then(|update| update.apply(&item()));
        assert_eq!(result.expect_err(text).message(), expected, "{text}");
    }
}

#[test]
fn projections() {
    let table = [
        ("id, #n", json!({"id": {"S": "x"}, "name": {"S": "bluebird"}})),
        ("m.k, absent, m.absent", json!({"m": {"M": {"k": {"S": "v"}}}})),
        ("things[2].deep, things[0]", json!({"things": {"L": [{"S": "zero"}, {"M": {"deep": {"S": "a"}}}]}})),
        ("id.k, things.k, #dot", json!({"a.b": {"S": "dotted"}})),
    ];
    for (text, expected) in table {
        let projection = Projection::parse(text, &names()).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(Value::Object(projection.project(&item())), expected, "{text}");
    }
    for (text, expected) in [
        ("id,", "Syntax error; token: \"<EOF>\", near: \",\""),
        (
            "m, m.k",
            "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [m], path two: [m, k]",
        ),
    ] {
        let error = Projection::parse(text, &names()).expect_err(text);
        assert_eq!(error.message(), format!("Invalid ProjectionExpression: {expected}"));
    }
}

#[test]
fn key_conditions() {
    use SortCondition::*;
    let parse = |text| KeyCondition::parse(text, &names(), &values(), "id", Some("n"));
    let (one, ten) = (json!({"N": "1"}), json!({"N": "10"}));
    let table = [
        ("id = :a", None),
        ("(id = :a)", None),
        ("n < :one AND id = :a", Some(Less(one.clone()))),
        ("id = :a AND :one < n", Some(Greater(one.clone()))),
        ("id = :a AND n BETWEEN :one AND :ten", Some(Between(one.clone(), ten))),
        ("(id = :a) AND (begins_with(n, :b))", Some(BeginsWith(json!({"S": "b"})))),
        ("n = :one and id = :a", Some(Equal(one))),
    ];
    for (text, sort) in table {
        let found = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(found.partition, ("id".to_owned(), json!({"S": "a"})), "{text}");
        assert_eq!(found.sort, sort, "{text}");
    }
    for (text, expected) in [
        ("n = :one", "Query condition missed key schema element: id"),
        ("id > :a", "Query key condition not supported"),
        ("id = :a AND another = :a", "Query condition missed key schema element: n"),
        ("id = :a OR n = :one", "Invalid operator used in KeyConditionExpression: OR"),
        ("id = :a AND id = :b", "KeyConditionExpressions must only contain one condition per key"),
        ("id = :a AND size(n) = :one", "KeyConditionExpressions cannot contain nested operations"),
        ("id.x = :a", "KeyConditionExpressions cannot have conditions on nested attributes"),
        ("id =", "Invalid KeyConditionExpression: Syntax error; token: \"<EOF>\", near: \"=\""),
    ] {
        assert_eq!(parse(text).expect_err(text).message(), expected, "{text}");
    }
}

#[test]
fn placeholders() {
    let (names, values) = (names(), values());
    let condition = Condition::parse("#n = :a", &names, &values).unwrap();
    let error = check_all_used(&names, &values, &[condition.used()]).unwrap_err();
    assert_eq!(
        error.message(),
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {#s, #dot}"
    );
    let extra = map(json!({":a": {"S": ""}, ":x": {"S": ""}}));
    let error = check_all_used(&map(json!({"#n": "name"})), &extra, &[condition.used()]).unwrap_err();
    assert_eq!(
        error.message(),
        "Value provided in ExpressionAttributeValues unused in expressions: keys: {:x}"
    );
    for (values, expected) in [
        (json!({}), "ExpressionAttributeValues must not be empty"),
        (json!({"x": {"S": ""}}), "ExpressionAttributeValues contains invalid key: Syntax error; key: \"x\""),
        (
            json!({":x": {"N": "one"}}),
            "ExpressionAttributeValues contains invalid value: The parameter cannot be converted to a numeric value: one for key :x",
        ),
        (
            json!({":x": {"SS": []}}),
            "ExpressionAttributeValues contains invalid value: One or more parameter values were invalid: An string set  may not be empty for key :x",
        ),
    ] {
        assert_eq!(check_placeholders(None, Some(&map(values))).unwrap_err().message(), expected);
    }
}

#[test]
fn hostile_texts_are_refused_quietly() {
    for text in [
        "\u{0}",
        "é = :a",
        "#",
        ":",
        "[",
        "a[",
        "a[99999999999999999999999]",
        "a.",
        "SET #",
        "\"",
        "a = :a AND",
        "NOT",
        "IN",
        "(",
    ] {
        let _ = Condition::parse(text, &names(), &values());
        let _ = Update::parse(text, &names(), &values());
        let _ = Projection::parse(text, &names());
    }
    assert!(Condition::parse(&"a".repeat(5000), &names(), &values()).is_err());
    assert!(Condition::parse(&"NOT ".repeat(400), &names(), &values()).is_err());
}
