//! What real API Gateway rendered, and a table of what its documentation promises.

use super::*;
use serde_json::json;

/// The folder of shared test data: `ALOFT_SHARED`, or beside the workspace.
fn shared(file: &str) -> Option<Json> {
    let folder = std::env::var_os("ALOFT_SHARED").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        std::path::PathBuf::from,
    );
    let text = std::fs::read_to_string(folder.join("vectors").join(file)).ok()?;
    serde_json::from_str(&text).ok()
}

/// Records whose white space was not kept when they were written down: only the words are compared.
const WORDS_ONLY: [&str; 2] = ["test_use_defined_func_create_json_loop", "test_put_null_in_map"];

#[test]
fn renders_as_api_gateway_did() {
    let Some(Json::Array(records)) = shared("vtl.json") else {
        eprintln!("the shared vectors are absent: nothing is compared");
        return;
    };
    let mut differ = Vec::new();
    for record in &records {
        let name = record["name"].as_str().unwrap_or_default();
        let template = record["template"].as_str().unwrap_or_default();
        let context = Context {
            variables: record["context"].as_object().cloned().unwrap_or_default(),
            ..Context::default()
        };
        let found = render(template, &context).map(|rendered| rendered.text);
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let same = match (&record["aws"], &found) {
            (Json::String(expected), Ok(found)) if WORDS_ONLY.contains(&name) => {
                words(expected) == words(found)
            }
            (Json::String(expected), Ok(found)) => expected == found,
            (expected, Ok(found)) => {
                serde_json::from_str::<Json>(found).is_ok_and(|found| found == *expected)
            }
            (_, Err(_)) => false,
        };
        if !same {
            differ.push(format!("{name}: {template:?}\n  expected {}\n  found    {found:?}", record["aws"]));
        }
    }
    assert!(records.len() >= 198);
    assert!(differ.is_empty(), "{} of {} differ:\n{}", differ.len(), records.len(), differ.join("\n"));
}

fn context() -> Context {
    let map = |value: Json| value.as_object().cloned().unwrap_or_default();
    Context {
        body: json!({"name": "Ann", "age": 30, "price": 1.5, "tags": ["a", "b"], "nested": {"k": "v", "n": null}, "quote": "it's \"so\""})
            .to_string(),
        params: Params {
            path: map(json!({"id": "7", "both": "from path"})),
            querystring: map(json!({"page": "2", "both": "from query"})),
            header: map(json!({"Content-Type": "text/plain"})),
        },
        stage_variables: map(json!({"table": "items"})),
        context: json!({"requestId": "r-1", "identity": {"sourceIp": "127.0.0.1"}}),
        variables: Map::new(),
    }
}

#[test]
fn what_the_documentation_promises() {
    let table = [
        ("$input.path('$.name')", "Ann"),
        ("$input.json('$.name')", "\"Ann\""),
        ("$input.json('$.nested')", r#"{"k":"v","n":null}"#),
        ("$input.path('$.nested')", "{k=v, n=null}"),
        ("$input.path('$.tags')", "[a, b]"),
        ("$input.path('$').tags[1] $input.path('$.missing')|$input.json('$.missing')|", "b ||"),
        ("$input.path('$.age') $input.path('$.price')", "30 1.5"),
        ("#set($root = $input.path('$'))$root.nested.k $root.tags.size()", "v 2"),
        (
            "$input.params('id') $input.params('page') $input.params('content-type') $input.params('both')|$input.params('no')|",
            "7 2 text/plain from path||",
        ),
        ("$input.params().querystring.get('page') $input.params().header.keySet()", "2 [Content-Type]"),
        (
            "#foreach($p in $input.params().path.keySet())$p=$util.escapeJavaScript($input.params().path.get($p))#if($foreach.hasNext),#end#end",
            "id=7,both=from path",
        ),
        (
            "$stageVariables.table $context.requestId $context.identity.sourceIp|$context.none.x|",
            "items r-1 127.0.0.1||",
        ),
        ("$util.escapeJavaScript($input.path('$.quote'))", r#"it\'s \"so\""#),
        (
            "$util.urlEncode('a b&c') $util.urlDecode('a+b%26') $util.base64Encode('hi') $util.base64Decode('aGk=')",
            "a+b%26c a b& aGk= hi",
        ),
        ("#set($o = $util.parseJson('{\"a\": [1, 2]}'))$o.a[1] $o", "2 {a=[1, 2]}"),
        (
            "#macro(hello $who $n)Hi $who $n;#end#hello('Bo' 3)#hello($input.path('$.name'), 4)",
            "Hi Bo 3;Hi Ann 4;",
        ),
        ("#foreach($i in [1..9])#if($i == 3)#break#end$i#end", "12"),
        (
            "#set($m = {'a': 1, 'b': 2})#foreach($e in $m.entrySet())$e.key=$e.value;$e.getKey() #end",
            "a=1;a b=2;b ",
        ),
        ("#set($m = {'a': 1})#set($n = $m)#set($x = $n.put('z', 9))$m", "{a=1, z=9}"),
        ("#set($l = [])#set($x = $l.add($l))#set($x = $l.clear())$l", "[]"),
        ("#set($Integer = 0)#set($n = $Integer.parseInt('5') + 2)$n", "7"),
        ("#set($x = 7 / 2)$x #set($y = 7 % 4)$y #set($z = 7 / 2.0)$z #set($w = 1 - 2)$w", "333.5-1"),
        ("#set($s = 'n: ' + 5)$s", "n: 5"),
        (
            "#set($s = 'a,b,,c,,')$s.split(',').size() $s.split(',')[3] $s.replace(',', ';') $s.toUpperCase()",
            "4 c a;b;;c;; A,B,,C,,",
        ),
        (
            "#set($s = 'x1y22')$s.replaceAll('([0-9]+)', '<$1>') $s.lastIndexOf('2') $s.charAt(1)",
            "x<1>y<22> 4 1",
        ),
        ("#if($s == '')empty#{else}full#end #if($none)yes#end", "empty yes"),
        ("#if('1' == 1)same#end#if('a' != 'b')different#end", "samedifferent"),
        ("#[[$raw #if]]# #* gone *#|", "$raw #if |"),
        ("  #set($a = 1)  \n|#foreach($i in [1, 2])  \n $i\n  #end  \n|", "| 1\n   2\n  |"),
        ("a#unknown b#if c", "a#unknown b#if c"),
        ("${name}-$!{name}|${input.path('$.name')}|$input.path(\"$.name\")s", "-|Ann|Anns"),
        (
            "#set($list = [3, 1])$list[-1] $list.contains(3) $list.indexOf(1) #set($list[0] = 5)$list",
            "1 true 1[5, 1]",
        ),
        ("#set($d = \"$input.path('$.name') is #if(true)here#end\")$d", "Ann is here"),
    ];
    for (template, expected) in table {
        let rendered = render(template, &context()).unwrap_or_else(|error| panic!("{template}: {error}"));
        assert_eq!(rendered.text, expected, "{template}");
    }
}

#[test]
fn bodies_that_are_no_json() {
    let text = |body: &str, template: &str| {
        render(template, &Context { body: body.to_owned(), ..Context::default() })
            .map(|rendered| rendered.text)
    };
    let form = "{#foreach($p in $input.path('$').split('&'))#set($kv = $p.split('='))\"$kv[0]\": \"$util.urlDecode($kv[1])\"#if($foreach.hasNext), #end#end}";
    assert_eq!(text("From=%2B1&Body=hi+you", form).as_deref(), Ok(r#"{"From": "+1", "Body": "hi you"}"#));
    assert_eq!(text("", "$input.json('$')|$input.body|").as_deref(), Ok("{}||"));
    assert_eq!(text("a b", "$input.body").as_deref(), Ok("a b"));
}

#[test]
fn overrides_are_read_back() {
    let template = "#set($context.requestOverride.header.x = \"$input.params('id')\")\
        #set($context.requestOverride.path.p = 'q')#set($context.requestOverride.querystring['s'] = 1)\
        #set($context.responseOverride.status = 201)#set($context.responseOverride.header.Location = '/x')done";
    let rendered = render(template, &context()).unwrap();
    assert_eq!(rendered.text, "done");
    let overrides = rendered.overrides;
    assert_eq!(Json::Object(overrides.request_header), json!({"x": "7"}));
    assert_eq!(Json::Object(overrides.request_path), json!({"p": "q"}));
    assert_eq!(Json::Object(overrides.request_querystring), json!({"s": 1}));
    assert_eq!(Json::Object(overrides.response_header), json!({"Location": "/x"}));
    assert_eq!(overrides.response_status, Some(201));
    assert_eq!(render("plain", &context()).unwrap().overrides, Overrides::default());
}

#[test]
fn errors_and_limits() {
    let fail = |template: &str| render(template, &context()).expect_err(template).to_string();
    for (template, expected) in [
        ("a\n#if(true)", "line 2: expected '#end'"),
        ("#end", "line 1: there is no block that this could end"),
        ("\n\n#set($a 1)", "line 3: expected '='"),
        ("${open", "line 1: expected '}'"),
        ("#set($a = 'x)", "line 1: the quoted text does not end"),
        ("#set($l = [1])$l.get(4)", "index 4 is out of bounds for length 1"),
        ("$util.parseJson('{')", "the text is not JSON: EOF while parsing an object at line 1 column 1"),
        ("#macro(loop)#loop()#end#loop()", "the template exceeds the limit of nested blocks and calls"),
        ("#set($l = [])#set($x = $l.add($l))$l", "the template exceeds the limit of nested values"),
        ("#set($l = [1..99999999])", "the template exceeds the limit of memory"),
        (
            "#set($s = 'aaaaaaaa')#foreach($i in [1..99])#set($s = \"$s$s\")#end",
            "the template exceeds the limit of a text's length",
        ),
        (
            "#set($r = [1..1000])#foreach($i in $r)#foreach($j in $r)#foreach($k in $r)#end#end#end",
            "the template exceeds the limit of steps",
        ),
    ] {
        assert_eq!(fail(template), expected, "{template}");
    }
    let nested = "#if(true)".repeat(500) + &"#end".repeat(500);
    assert_eq!(fail(&nested), "the template exceeds the limit of nested blocks and expressions");
    let nested = format!("#set($a = {}1{})", "(".repeat(5000), ")".repeat(5000));
    assert_eq!(fail(&nested), "the template exceeds the limit of nested blocks and expressions");
    let loops = render("#foreach($i in [1..5000])x#end", &context()).unwrap();
    assert_eq!(loops.text.len(), limits::LOOP);
    let holding_itself = "#set($m = {})#set($x = $m.put('m', $m))#if($m == {})#end";
    assert_eq!(fail(holding_itself), "the template exceeds the limit of nested values");
}
