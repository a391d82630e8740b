//! What flux prints for the same changes: `fluxcd/flux2` 2.8, `cmd/flux/testdata/diff-kustomization`.

use serde_json::json;

use super::text;

#[test]
fn a_report_reads_as_that_of_flux() {
    let table = [
        (
            json!({"spec": {"ports": [{"name": "http", "port": 9899}, {"name": "grpc", "port": 1}]}}),
            json!({"spec": {"ports": [{"name": "http", "port": 9898}, {"name": "grpc", "port": 1}]}}),
            "\nspec.ports.http.port\n± value change\n- 9899\n+ 9898\n\n",
        ),
        (
            json!({"metadata": {"name": "x"}}),
            json!({"metadata": {"name": "x", "labels": {"a/name": "x", "a/namespace": "y"}}}),
            "\nmetadata\n+ one map entry added:\n  labels:\n    a/name: x\n    a/namespace: y\n\n",
        ),
        (
            json!({"data": {"drift-key": "*****"}}),
            json!({"data": {"token": "*****"}}),
            "\ndata\n- one map entry removed:   + one map entry added:\n\
             drift-key: \"*****\"           token: \"*****\"\n\n",
        ),
        (
            json!({"data": {"password": "*** (before)"}}),
            json!({"data": {"password": "*** (after)"}}),
            "\ndata.password\n± value change\n- *** (before)\n+ *** (after)\n\n",
        ),
        (
            json!({"a": 1}),
            json!({"a": "1"}),
            "\na\n± type change from int to string\n- 1\n+ 1\n\n",
        ),
        (
            json!({"a": ["x", "y"]}),
            json!({"a": ["y", "x", "z"]}),
            "\na\n⇆ order changed   + one list entry added:\n- x, y              - z\n+ y, x\n\n",
        ),
        (
            json!({"a": [{"b": "1"}]}),
            json!({"a": [{"b": "2"}]}),
            "\na.0.b\n± value change\n- 1\n+ 2\n\n",
        ),
        (
            json!({"a": [{"name": "x", "args": ["1"]}]}),
            json!({"a": [{"name": "x", "args": ["1"]}, {"name": "y", "args": ["2", "3"], "m": {"n": true}}]}),
            "\na\n+ one list entry added:\n  - args:\n    - 2\n    - 3\n    m:\n      n: true\n    name: y\n\n",
        ),
        (
            json!({"a": "one\ntwo\nthree\n"}),
            json!({"a": "one\n2\nthree\nfour\n"}),
            "\na\n± value change in multiline text (two inserts, one deletion)\n- two\n+ 2\n+ four\n\n\n",
        ),
        (
            json!({"a": "b c"}),
            json!({"a": "b  c"}),
            "\na\n± whitespace only change\n- b·c\n+ b··c\n\n",
        ),
        (
            json!({"a": 1}),
            json!({"b": 1}),
            "\n(root level)\n- one map entry removed:   + one map entry added:\na: 1                         b: 1\n\n",
        ),
        (json!({"a": [1, {}]}), json!({"a": [1, {}]}), ""),
    ];
    for (from, to, expected) in table {
        assert_eq!(text(&from, &to), expected, "{from} {to}");
    }
}

#[test]
fn blocks_that_are_too_wide_stand_one_below_the_other() {
    let long = "x".repeat(60);
    let report = text(&json!({"a": &long}), &json!({"b": &long}));
    let expected = format!(
        "\n(root level)\n- one map entry removed:\na: {long}\n\n+ one map entry added:\n  b: {long}\n\n\n"
    );
    assert_eq!(report, expected);
}
