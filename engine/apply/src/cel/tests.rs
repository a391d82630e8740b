//! Expressions and their answers, as Flux has them, and what is refused.

use fluvial_manifest::Value;
use serde_json::json;

use super::*;

fn object() -> Value {
    json!({
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "web", "generation": 3, "labels": {"tier": "front", "app": "web"}},
        "spec": {"replicas": 2, "ratio": 0.5, "image": "registry.example.com/web:1.2.3"},
        "status": {
            "phase": "Ready",
            "replicas": 2,
            "conditions": [
                {"type": "Ready", "status": "True", "reason": "Up"},
                {"type": "Degraded", "status": "False", "reason": "None"},
            ],
        },
        "data": {"password": "hunter2"},
    })
}

fn ask(source: &str, object: &Value) -> Result<bool, String> {
    let expression = Expression::parse(source).map_err(|error| error.to_string())?;
    let fields = object.as_object().into_iter().flatten();
    let fields = fields.map(|(name, value)| (name.as_str(), value));
    expression.holds(fields).map_err(|error| error.to_string())
}

/// As cel-go 0.26 with Flux's options answers.
#[test]
#[expect(clippy::too_many_lines, reason = "a flat table")]
fn answers_as_flux_does() {
    let object = object();
    for (source, expected) in [
        ("status.phase == 'Ready'", true),
        ("status.phase in ['Pending', 'Failed']", false),
        ("has(status.phase) && !has(status.message)", true),
        (
            "status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True')",
            true,
        ),
        (
            "status.conditions.exists(e, e.type == 'Degraded' && e.status == 'True')",
            false,
        ),
        ("status.conditions.exists_one(e, e.status == 'True')", true),
        (
            "status.conditions.map(e, e.type) == ['Ready', 'Degraded']",
            true,
        ),
        (
            "status.conditions.map(e, e.status == 'True', e.reason)[0] == 'Up'",
            true,
        ),
        (
            "status.conditions.filter(e, e.type == 'Absent').all(e, e.status == 'True')",
            true,
        ),
        (
            "size(status.conditions) == 2 && status.conditions.size() == 2",
            true,
        ),
        (
            "metadata.generation == 3 && metadata.generation > 2.5 && spec.ratio < 1",
            true,
        ),
        ("metadata.labels['app'] == metadata.name", true),
        ("'tier' in metadata.labels", true),
        ("metadata.labels.map(key, key) == ['app', 'tier']", true),
        (
            "metadata.labels.all(key, metadata.labels[key].size() > 2)",
            true,
        ),
        ("status.?message.orValue('none') == 'none'", true),
        ("status[?'phase'].hasValue()", true),
        (
            "spec.image.matches('^registry[.]example[.]com/.+:[0-9.]+$')",
            true,
        ),
        (
            "spec.image.split(':')[1].startsWith('1.') && spec.image.contains('web')",
            true,
        ),
        (
            "spec.image.replace('web', 'x').lowerAscii().endsWith('x:1.2.3')",
            true,
        ),
        (
            "int('3') == metadata.generation && string(spec.replicas) == '2'",
            true,
        ),
        (
            "status.replicas >= spec.replicas ? status.phase == 'Ready' : false",
            true,
        ),
        (
            "sets.contains(['a', 'b'], ['b']) && !sets.intersects([1], [2])",
            true,
        ),
        ("sets.equivalent([1, 2, 2], [2, 1])", true),
        ("base64.encode(b'a') == 'YQ=='", true),
        (
            "kind == 'Widget' && apiVersion.startsWith('example.com/')",
            true,
        ),
        ("[1, 2].exists(x, x == 2 || y)", true),
        ("dyn(1) == 1u && type(1) == int", true),
        ("true", true),
    ] {
        assert_eq!(ask(source, &object), Ok(expected), "{source}");
    }
}

#[test]
fn says_why_there_is_no_answer_and_shows_no_value() {
    let object = object();
    for (source, expected) in [
        (
            "foo.",
            "failed to parse the CEL expression 'foo.': ERROR: <input>:1:5: expected identifier",
        ),
        (
            "",
            "failed to parse the CEL expression '': ERROR: <input>:1:1: ",
        ),
        (
            "now() > 1",
            "'now() > 1': undeclared reference to 'now' (in container '')",
        ),
        (
            "timestamp(status.at) > duration('1h')",
            "undeclared reference to 'timestamp'",
        ),
        (
            "Widget{name: 'x'}.name == 'x'",
            "undeclared reference to 'Widget'",
        ),
        (
            "status.message == ''",
            "failed to evaluate the CEL expression 'status.message == '''",
        ),
        ("status.message == ''", "no such key: message"),
        ("spec.absent.deep", "no such key: absent"),
        ("nothing.there", "no such attribute(s): nothing"),
        (
            "status.phase",
            "failed to evaluate CEL expression as boolean: 'status.phase'",
        ),
        (
            "status.phase + 1 == 2",
            "failed to evaluate the CEL expression",
        ),
        ("1 / (metadata.generation - 3) == 1", "division by zero"),
        (
            "9223372036854775807 + metadata.generation > 0",
            "integer overflow",
        ),
        ("status.conditions[7].type == 'x'", "index out of bounds"),
        ("metadata.labels[data.password] == 'x'", "no such key"),
        (
            "int(data.password) == 1",
            "a function cannot do what is asked of it: int",
        ),
        (
            "data.password.matches('(')",
            "a function cannot do what is asked of it: matches",
        ),
        ("data.password ? true : false", "no such overload"),
        (
            "data.password < 1",
            "found no matching overload for '_<_' applied to '(string, int)'",
        ),
    ] {
        let error = ask(source, &object).unwrap_err();
        assert!(error.contains(expected), "{source}: {error}");
        assert!(!error.contains("hunter2"), "{source}: {error}");
        assert!(!error.contains('\n'), "{source}: {error}");
    }
}

#[test]
fn readiness_is_declared_and_boolean() {
    let check = |source| Expression::boolean(source, &["self", "dep"]).map(drop);
    for source in [
        "dep.status.ready == self.status.ready",
        "has(dep.status.observedGeneration) && dep.metadata.generation == dep.status.observedGeneration",
        "dep.status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True')",
        "dep.status.conditions.exists_one(e, e.type == 'Ready')",
        "'a' in dep.metadata.labels ? dep.spec.suspend == true : false",
        "!dep.metadata.name.startsWith('x')",
    ] {
        assert_eq!(check(source), Ok(()), "{source}");
    }
    for (source, expected) in [
        (
            "self.generation == deps.generation",
            "failed to parse the CEL expression 'self.generation == deps.generation': \
             undeclared reference to 'deps' (in container '')",
        ),
        (
            "dep.status.ready",
            "CEL expression output type mismatch: expected bool, got dyn",
        ),
        (
            "1 + 1",
            "CEL expression output type mismatch: expected bool, got dyn",
        ),
        (
            "true ? dep.a : false",
            "CEL expression output type mismatch: expected bool, got dyn",
        ),
    ] {
        assert_eq!(check(source).unwrap_err().to_string(), expected, "{source}");
    }
}

#[test]
fn what_is_too_large_or_too_deep_is_refused() {
    let nested = |depth: usize| format!("{}true{}", "(".repeat(depth), ")".repeat(depth));
    // Parentheses are no part of what is evaluated.
    assert!(Expression::parse(&nested(4_000)).is_ok());
    let fields = |count: usize| format!("a{} == 1", ".a".repeat(count));
    let sum = |count: usize| format!("1{} == 1", "+1".repeat(count));
    assert!(Expression::parse(&fields(DEPTH_MAX - 2)).is_ok());
    assert!(Expression::parse(&fields(DEPTH_MAX - 1)).is_err());
    for source in [
        format!("{}true", "!(".repeat(3_000)),
        fields(1_000),
        sum(1_000),
        "[".repeat(4_000),
        "{".repeat(4_000),
        "a?".repeat(2_000),
        "a?b:".repeat(1_500),
        "a.b(".repeat(1_500),
        "-".repeat(4_000),
        format!("[{}] == []", "1,".repeat(3_000)),
        "x".repeat(SOURCE_BYTES_MAX + 1),
        "\"".repeat(4_001),
        "\\".repeat(4_000),
        "'\u{0}\u{fffe}é".repeat(500),
    ] {
        let start: String = source.chars().take(12).collect();
        let refused = Expression::parse(&source)
            .err()
            .map(|error| error.to_string().len());
        assert!(
            refused.is_some_and(|bytes| bytes < 2_000),
            "{start}…: {refused:?}"
        );
    }
    let exact = format!("true // {}", "x".repeat(SOURCE_BYTES_MAX - 8));
    assert_eq!(exact.len(), SOURCE_BYTES_MAX);
    assert_eq!(ask(&exact, &object()), Ok(true));
    assert!(Expression::parse(&format!("{exact}x")).is_err());
}

/// Each of these would take hours or all memory.
#[test]
fn what_costs_too_much_is_given_up() {
    let many: Vec<_> = (0..5_000)
        .map(|it| json!({"name": format!("n{it}")}))
        .collect();
    let object = json!({"all": many, "text": "a".repeat(100_000)});
    let doubled = |what: &str| format!("['a']{} == []", format!(".map(x, {what})").repeat(30));
    for source in [
        "all.all(a, all.all(b, all.all(c, a != b || b != c || true)))".to_owned(),
        "all.exists(a, all.exists(b, all.exists(c, a.x == b.x)))".to_owned(),
        "all.map(a, all.map(b, all.map(c, 1))) == []".to_owned(),
        "all.filter(a, all.filter(b, all == all).size() > 0).size() > 0".to_owned(),
        "all.exists_one(a, all.all(b, all.exists(c, c == b)))".to_owned(),
        doubled("x + x"),
        doubled("[x, x]"),
        doubled("{'a': x, 'b': x}"),
        "text.replace('', text) == ''".to_owned(),
        "text.split('').join(text) == ''".to_owned(),
        "all.all(a, text.matches('(a{1,200}){1,200}'))".to_owned(),
        "all.all(a, 'x'.matches('\\\\w{500}') || true)".to_owned(),
        "sets.contains(all, all)".to_owned(),
    ] {
        let error = ask(&source, &object).unwrap_err();
        assert!(
            error.ends_with("it costs too much; make it simpler"),
            "{source}: {error}"
        );
    }
    assert_eq!(ask("all.all(a, a.name.startsWith('n'))", &object), Ok(true));
    assert_eq!(
        ask("all.filter(a, a.name == 'n7').size() == 1", &object),
        Ok(true)
    );
}

#[test]
fn no_text_makes_it_panic() {
    let words = [
        "a",
        ".",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "?",
        ":",
        ",",
        "'",
        "\"",
        "1",
        "1u",
        "0x",
        "1e9",
        "-",
        "!",
        "==",
        " in ",
        "&&",
        "||",
        "all",
        "map",
        "has",
        "r'",
        "b\"",
        "\\x",
        "\\u",
        "é",
        "@result",
        "`",
        ".?",
        "[?",
        "/",
        "%",
        "size",
        "true",
        "null",
        "int",
        "optional",
        "sets",
        "x",
        "//",
        "\n",
        "\u{0}",
        "9223372036854775808",
    ];
    let object = object();
    let mut state: u64 = 7;
    let mut next = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).unwrap_or_default() % below
    };
    for _ in 0..40_000 {
        let length = 1 + next(14);
        let source: String = (0..length).map(|_| words[next(words.len())]).collect();
        drop(ask(&source, &object));
    }
}

const LEAVES: &[&str] = &[
    "status",
    "status.conditions",
    "metadata.labels",
    "x",
    "1",
    "0",
    "-9223372036854775807",
    "2u",
    "1.5",
    "1e308",
    "'ab'",
    "'é\\u00e9'",
    "b'\\xff'",
    "true",
    "null",
    "[]",
    "{}",
    "int",
    "optional.none()",
    "spec.image",
    "'%'",
    "'['",
    "18446744073709551615u",
    "-1",
];
const CALLS: &[&str] = &[
    "size",
    "contains",
    "startsWith",
    "matches",
    "replace",
    "split",
    "join",
    "substring",
    "charAt",
    "indexOf",
    "lastIndexOf",
    "trim",
    "lowerAscii",
    "upperAscii",
    "orValue",
    "or",
    "hasValue",
    "value",
];
const GLOBALS: &[&str] = &[
    "size",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "bool",
    "dyn",
    "type",
    "optional.of",
    "optional.ofNonZeroValue",
    "base64.encode",
    "base64.decode",
    "sets.contains",
    "sets.equivalent",
    "sets.intersects",
    "strings.quote",
];
const OPERATORS: &[&str] = &[
    "+", "-", "*", "/", "%", "==", "!=", "<", ">=", "&&", "||", "in",
];
const LOOPS: &[&str] = &["all", "exists", "exists_one", "map", "filter"];

/// Numbers by a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % below
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    /// An expression, which is well formed and seldom makes sense.
    fn expression(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.one(LEAVES).to_owned();
        }
        let first = self.expression(depth - 1);
        let second = self.expression(depth - 1);
        match self.below(11) {
            0 => format!("({first} {} {second})", self.one(OPERATORS)),
            1 => format!("{first}.{}({second})", self.one(CALLS)),
            2 => format!("{first}.{}({second}, 1)", self.one(CALLS)),
            3 => format!("{}({first})", self.one(GLOBALS)),
            4 => format!("{}({first}, {second})", self.one(GLOBALS)),
            5 => format!("{first}.{}(x, {second})", self.one(LOOPS)),
            6 => format!("({first} ? {second} : !{first})"),
            7 => format!("{first}[{second}]"),
            8 => format!("[{first}, {second}]"),
            9 => format!("{{{first}: {second}}}"),
            _ => format!("{first}.?type[?{second}]"),
        }
    }
}

#[test]
fn no_expression_makes_it_panic() {
    let object = object();
    let mut dice = Dice(11);
    let mut answers = 0;
    for _ in 0..20_000 {
        let depth = 1 + dice.below(4);
        let answer = ask(&format!("{} == 1 || true", dice.expression(depth)), &object);
        answers += usize::from(answer.is_ok());
    }
    assert!(answers > 10_000, "only {answers} were understood");
}
