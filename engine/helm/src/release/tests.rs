//! Records of the real helm, read and written.

use fluvial_manifest::Value;

use super::{Record, config_digest};

const SHOP: &[u8] = include_bytes!("golden/shop.json");
const PACKED: &[u8] = include_bytes!("golden/shop.b64");

fn shop() -> Record {
    Record::from_json(SHOP).unwrap()
}

fn value(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn what_helm_packed_is_read_and_what_is_packed_here_reads_the_same() {
    let read = Record::decode(PACKED).unwrap();
    assert_eq!(read, shop());
    assert_eq!(Record::decode(read.encode().as_bytes()).unwrap(), read);
    assert_eq!(read.name, "shop");
    assert_eq!(read.chart_metadata("version"), "1.2.3");
    let hooks = read.hooks.as_ref().unwrap();
    let migrate = hooks.iter().find(|hook| hook.kind == "Job").unwrap();
    assert_eq!((migrate.weight, migrate.is_for("pre-upgrade")), (-5, true));
}

#[test]
fn nothing_that_helm_wrote_is_lost() {
    assert_eq!(value(&shop().to_json()), value(SHOP));
}

#[test]
fn the_digest_is_the_one_that_flux_takes() {
    for (oci_digest, expected) in [
        (
            "",
            "sha256:e8d3e54313e39361900d62016bec1dbee79ac258d22b02aa04164d005f97fe39",
        ),
        (
            "sha256:aa",
            "sha256:bc92dcb81e96d9bcce4a7b76267afc77aecc34b12b1ade20e30ca7c53fba0380",
        ),
    ] {
        assert_eq!(shop().digest(oci_digest), expected);
    }
}

#[test]
fn a_test_that_somebody_ran_does_not_change_the_digest() {
    let mut tested = shop();
    let before = tested.digest("");
    let hooks = tested.hooks.as_mut().unwrap();
    for hook in hooks.iter_mut().filter(|hook| hook.is_for("test")) {
        hook.last_run.phase = "Succeeded".into();
    }
    assert_eq!(tested.digest(""), before);
    for hook in tested.hooks.as_mut().unwrap() {
        hook.last_run.phase = "Succeeded".into();
    }
    assert_ne!(tested.digest(""), before);
}

#[test]
fn values_are_digested_as_sorted_yaml_and_none_as_nothing() {
    // The first is from helm-controller's own tests.
    for (values, expected) in [
        (
            r#"{"foo": "bar", "baz": {"cool": "stuff"}}"#,
            "sha256:3f3641788a2d4abda3534eaa90c90b54916e4c6e3a5b2e1b24758b7bfa701ecd",
        ),
        (
            "{}",
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
    ] {
        let values = value(values.as_bytes());
        assert_eq!(config_digest(values.as_object()), expected);
    }
}

#[test]
fn a_secret_is_named_and_labelled_as_helm_does() {
    let mut shop = shop();
    shop.info.status = "deployed".into();
    assert_eq!(Record::secret_name("shop", 3), "sh.helm.release.v1.shop.v3");
    let labels: Vec<_> = shop.labels(17, true).into_iter().collect();
    let expected = [
        ("createdAt", "17"),
        ("name", "shop"),
        ("owner", "helm"),
        ("status", "deployed"),
        ("version", "1"),
    ];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(labels, expected);
    assert_eq!(shop.labels(18, false)["modifiedAt"], "18");
}

#[test]
fn what_is_no_record_is_refused() {
    for data in [&b"!"[..], b"aGVsbG8=", b"H4sIAAAA"] {
        let refused = Record::decode(data).unwrap_err();
        assert!(
            refused.starts_with("cannot read a release record: "),
            "{refused}"
        );
    }
}

#[test]
fn an_empty_time_is_none() {
    let record = Record::from_json(
        br#"{"info": {"deleted": "", "first_deployed": "0001-01-01T00:00:00Z"}}"#,
    );
    let info = record.unwrap().info;
    assert_eq!((info.deleted, info.first_deployed), (None, None));
}
