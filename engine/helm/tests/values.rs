//! How values come together: `--set` and its relatives, defaults, nulls, globals, imports, conditions.

use fluvial_helm::{Chart, Options, Values, render};
use fluvial_manifest::{Entry, Tree};

fn chart(files: &[(&str, &str)]) -> Chart {
    let mut tree = Tree::new();
    for (path, text) in files {
        let entry = Entry::file(text.as_bytes());
        tree.insert(path, entry).expect("it can be stored");
    }
    Chart::from_tree(&tree, "").expect("it is a chart")
}

/// A flag, its text, and what becomes of `{"old": {"list": [1, 2]}}`.
const SET: &[(&str, &str, &str)] = &[
    (
        "",
        "a=1,b=true,c=null,d=x,e=007,f=1.5,g=",
        r#"{"a":1,"b":true,"c":null,"d":"x","e":"007","f":"1.5","g":"","old":{"list":[1,2]}}"#,
    ),
    ("", "old.list[0]=x", r#"{"old":{"list":["x",2]}}"#),
    (
        "",
        "old.list[3].a=x",
        r#"{"old":{"list":[1,2,null,{"a":"x"}]}}"#,
    ),
    (
        "",
        "a[0][1]=x",
        r#"{"a":[[null,"x"]],"old":{"list":[1,2]}}"#,
    ),
    (
        "",
        "a={x,1,true},b=y",
        r#"{"a":["x",1,true],"b":"y","old":{"list":[1,2]}}"#,
    ),
    ("", r"a\.b=c\,d", r#"{"a.b":"c,d","old":{"list":[1,2]}}"#),
    ("", "old=x", r#"{"old":"x"}"#),
    ("", "=x", r#"{"old":{"list":[1,2]}}"#),
    (
        "string",
        "a=1,b=true",
        r#"{"a":"1","b":"true","old":{"list":[1,2]}}"#,
    ),
    (
        "literal",
        "a.b=1,c=[x",
        r#"{"a":{"b":"1,c=[x"},"old":{"list":[1,2]}}"#,
    ),
    (
        "json",
        r#"a={"b":[1]},c=2"#,
        r#"{"a":{"b":[1]},"c":2,"old":{"list":[1,2]}}"#,
    ),
    (
        "json",
        r#"{"old":{"new":1}}"#,
        r#"{"old":{"list":[1,2],"new":1}}"#,
    ),
    (
        "file",
        "a=path,b={x,y}",
        r#"{"a":"<path>","b":["<x>","<y>"],"old":{"list":[1,2]}}"#,
    ),
    ("", "a", "refused"),
    ("", "a,b=1", "refused"),
    ("", "a[=1", "refused"),
    ("", "a[-1]=1", "refused"),
    ("", "a[65537]=1", "refused"),
    ("", "a[1]x=1", "refused"),
    ("", "a={x", "refused"),
    ("", "a.=1", "refused"),
    ("", "old.list.x=1", "refused"),
    ("", "old[0]=1", "refused"),
    ("json", "a={", "refused"),
];

#[test]
fn what_is_set_is_read_as_strvals_reads_it() {
    let deep = format!("{}x=1", "a.".repeat(31));
    for (flag, text, expected) in SET.iter().chain(&[("", deep.as_str(), "refused")]) {
        let mut values = Values::new();
        values.add_yaml(b"old: {list: [1, 2]}").unwrap();
        let set = match *flag {
            "string" => values.set_text(text),
            "literal" => values.set_literal(text),
            "json" => values.set_json(text),
            "file" => values.set_file(text, &mut |name| Ok(format!("<{name}>"))),
            _ => values.set(text),
        };
        let became = match set {
            Ok(()) => values.to_json().to_string(),
            Err(_) => "refused".to_owned(),
        };
        assert_eq!(became, *expected, "{flag} {text}");
    }
}

/// The values that the templates of a chart and of the chart `sub` in it see.
fn seen(parent: &str, sub: &str, dependencies: &str, given: &str) -> String {
    let about = format!("apiVersion: v2\nname: app\nversion: 1.0.0\n{dependencies}");
    let files = [
        ("Chart.yaml", about.as_str()),
        ("values.yaml", parent),
        ("templates/a.yaml", "own: {{ .Values | toJson }}"),
        ("charts/sub/Chart.yaml", "name: sub\nversion: 0.1.0"),
        ("charts/sub/values.yaml", sub),
        ("charts/sub/templates/b.yaml", "sub: {{ .Values | toJson }}"),
    ];
    let mut values = Values::new();
    values.add_yaml(given.as_bytes()).expect("it is a map");
    let rendered = render(chart(&files), &values, &Options::default()).expect("it renders");
    let lines = rendered.manifests.iter().rev();
    lines.map(|own| own.content.clone() + "\n").collect()
}

#[test]
fn values_are_laid_over_each_other_as_helm_does() {
    for (name, parent, sub, dependencies, given, expected) in [
        (
            "a null deletes a default, and one that deletes nothing stays",
            "a: {b: 1, c: 2}\nn: null",
            "",
            "",
            "a: {b: null, d: null}",
            "own: {\"a\":{\"c\":2,\"d\":null},\"sub\":{\"global\":{}}}\nsub: {\"global\":{}}\n",
        ),
        (
            "a null among the parent's defaults deletes nothing in a chart",
            "sub: {a: null}",
            "a: 1\nb: 2",
            "",
            "",
            "own: {\"sub\":{\"a\":1,\"b\":2,\"global\":{}}}\nsub: {\"a\":1,\"b\":2,\"global\":{}}\n",
        ),
        (
            "globals go down, and the parent's win",
            "global: {a: 1, m: {x: 1}}",
            "global: {a: 2, b: 3, m: {z: 2}}",
            "",
            "",
            "own: {\"global\":{\"a\":1,\"m\":{\"x\":1}},\"sub\":{\"global\":{\"a\":1,\"b\":3,\"m\":{\"x\":1,\"z\":2}}}}\nsub: {\"global\":{\"a\":1,\"b\":3,\"m\":{\"x\":1,\"z\":2}}}\n",
        ),
        (
            "values are imported below the chart's own, under an alias",
            "kept: {port: 1}",
            "exports: {kept: {kept: {port: 2, host: h}}}\nin: {x: 1}",
            "dependencies: [{name: sub, version: '*', alias: other, import-values: [kept, {child: in, parent: out.er}]}]",
            "",
            "own: {\"kept\":{\"host\":\"h\",\"port\":1},\"other\":{\"exports\":{\"kept\":{\"kept\":{\"host\":\"h\",\"port\":2}}},\"global\":{},\"in\":{\"x\":1}},\"out\":{\"er\":{\"x\":1}}}\nsub: {\"exports\":{\"kept\":{\"kept\":{\"host\":\"h\",\"port\":2}}},\"global\":{},\"in\":{\"x\":1}}\n",
        ),
        (
            "a condition wins over tags",
            "sub: {used: false}\ntags: {t: true}",
            "",
            "dependencies: [{name: sub, version: '*', condition: 'sub.none,sub.used', tags: [t]}]",
            "",
            "own: {\"sub\":{\"used\":false},\"tags\":{\"t\":true}}\n",
        ),
        (
            "a tag that is off disables, unless another is on",
            "tags: {t: false, u: true}",
            "",
            "dependencies: [{name: sub, version: '*', tags: [t, u]}]",
            "tags: {u: false}",
            "own: {\"tags\":{\"t\":false,\"u\":false}}\n",
        ),
    ] {
        assert_eq!(seen(parent, sub, dependencies, given), expected, "{name}");
    }
}

#[test]
fn schemas_are_kept_to() {
    let schema = r##"{"type": "object", "properties": {"port": {"type": "integer"}, "tree": {"$ref": "#/$defs/tree"}},
        "$defs": {"tree": {"properties": {"next": {"$ref": "#/$defs/tree"}}, "additionalProperties": false}}}"##;
    for (schema, given, why) in [
        (schema, "port: 1", None),
        (schema, "tree: {next: {next: {}}}", None),
        (schema, "port: x", Some("- at '/port'")),
        (schema, "tree: {next: {x: 1}}", Some("- at '/tree/next'")),
        ("{\"$ref\": \"#\"}", "port: 1", Some("without end at #")),
        (
            r##"{"$ref": "#/a", "a": {"allOf": [{"not": {"$ref": "#"}}]}}"##,
            "port: 1",
            Some("without end"),
        ),
        (
            r#"{"$ref": "https://example.com/schema.json"}"#,
            "port: 1",
            Some("is not in the chart"),
        ),
        (r#"{"$ref": "urn:nobody:knows"}"#, "port: 1", None),
        ("{", "port: 1", Some("EOF")),
        (r#"{"type": 1}"#, "port: 1", Some("app:\n")),
    ] {
        let files = [
            ("Chart.yaml", "name: app\nversion: 1.0.0"),
            ("values.schema.json", schema),
        ];
        let mut values = Values::new();
        values.add_yaml(given.as_bytes()).unwrap();
        let rendered = render(chart(&files), &values, &Options::default());
        match (rendered, why) {
            (Ok(_), None) => {}
            (Err(error), Some(why)) => {
                assert!(error.to_string().contains(why), "{schema}: {error}");
            }
            (rendered, why) => panic!("{schema}: {:?} and not {why:?}", rendered.map(|_| ())),
        }
        let skipped = Options {
            skip_schema: true,
            ..Options::default()
        };
        assert!(render(chart(&files), &values, &skipped).is_ok());
    }
}

#[test]
fn a_chart_that_is_rendered_again_remembers_nothing_of_its_values() {
    let files = [
        (
            "Chart.yaml",
            "{apiVersion: v2, name: app, version: 1.0.0, dependencies: [{name: sub, version: 1.0.0, alias: own, import-values: [{child: a, parent: a}]}]}",
        ),
        ("values.yaml", "a: {b: 1}\n"),
        (
            "values.schema.json",
            r#"{"properties": {"a": {"properties": {"b": {"type": "integer"}}}}}"#,
        ),
        (
            "templates/a.yaml",
            "{{ $_ := set .Values.a \"seen\" true }}{{ define \"x\" }}{{ .Values.a | toJson }}{{ end }}a: {{ include \"x\" . }}",
        ),
        (
            "charts/sub/Chart.yaml",
            "{apiVersion: v2, name: sub, version: 1.0.0}",
        ),
        ("charts/sub/values.yaml", "a: {c: 2}\n"),
        (
            "charts/sub/templates/b.yaml",
            "{{ $_ := set .Values.a \"seen\" true }}b: {{ .Values.a | toJson }}",
        ),
    ];
    let rendered = |chart: Chart, given: &str| {
        let mut values = Values::new();
        values.set(given).expect("it is a value");
        render(chart, &values, &Options::default()).map(|it| it.manifest())
    };
    let kept = chart(&files);
    for given in ["a.b=5", "own.a.c=7", "a.b=no", "a.new=x", "a.b=5"] {
        let again = rendered(kept.clone(), given);
        let anew = rendered(chart(&files), given);
        assert_eq!(again.is_err(), given == "a.b=no", "{given}");
        assert_eq!(again.ok(), anew.ok(), "{given}");
    }
}
