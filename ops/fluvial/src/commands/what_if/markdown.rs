//! The plan for a pull request.

use fluvial_view::difference::{Change, Difference};

use super::plan::{Plan, Reconciler};
use crate::commands::diff::print;
use crate::output;

/// A comment on GitHub has at most 65,536 characters; what is beyond this is left out, and said.
const CHARACTERS_MAX: usize = 60_000;

pub(super) fn text(plan: &Plan) -> String {
    let mut text = format!(
        "### What this would change\n\n{} at `{}`, decided after offset {} of {}.\n\n",
        plan.source, plan.revision, plan.offset, plan.time
    );
    for note in &plan.notes {
        text.extend(["> ", &line(note), "\n\n"]);
    }
    if plan.reconcilers.is_empty() {
        text.push_str("Nothing would change.\n");
        return text;
    }
    text.push_str("| | Added | Changed | Removed | |\n|---|---|---|---|---|\n");
    for owner in &plan.reconcilers {
        let count = |change| {
            let all = owner.objects.iter();
            all.filter(|it| it.change == change).count()
        };
        let [added, changed, removed] =
            [Change::Added, Change::Changed, Change::Removed].map(count);
        let end = if owner.has_failed {
            format!("❌ {}: {}", owner.reason, line(&owner.message))
        } else if owner.is_waiting {
            format!("⏳ {}", line(&owner.message))
        } else {
            String::new()
        };
        let row = format!(
            "| {} | {added} | {changed} | {removed} | {end} |\n",
            owner.object
        );
        text.push_str(&row);
    }
    let mut left_out = 0;
    for owner in plan.reconcilers.iter().filter(|it| !it.objects.is_empty()) {
        let section = section(owner);
        if text.len() + section.len() > CHARACTERS_MAX {
            left_out += 1;
        } else {
            text.push_str(&section);
        }
    }
    if left_out > 0 {
        let said =
            format!("\nThe fields of {left_out} are left out: there are too many for a comment.\n");
        text.push_str(&said);
    }
    text
}

fn section(owner: &Reconciler) -> String {
    let fields = fenced(&owner.objects);
    let object = &owner.object;
    format!("\n<details><summary>{object}</summary>\n\n{fields}\n</details>\n")
}

/// In a fence that nothing in it can close.
fn fenced(objects: &[Difference]) -> String {
    let text = print::text(objects, false, false);
    let mut fence = "```".to_owned();
    while text.contains(&fence) {
        fence.push('`');
    }
    // In a diff, what is at the start of a line has the colour.
    let lines = text.lines().map(|it| match it.strip_prefix("  ") {
        Some(field) if field.starts_with(['+', '-']) => format!("{field}\n"),
        _ => format!("{it}\n"),
    });
    format!("{fence}diff\n{}{fence}\n", lines.collect::<String>())
}

/// On one line, with nothing that a table or a quotation could be ended with.
fn line(text: &str) -> String {
    output::clean(text)
        .replace(['\n', '\r'], " ")
        .replace('|', "\\|")
        .replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use fluvial_event::{ObjectRef, Offset, Timestamp};
    use fluvial_view::difference::{Manifests, objects};
    use serde_json::json;

    use super::*;

    fn object(kind: &str, name: &str) -> ObjectRef {
        ObjectRef {
            kind: kind.into(),
            namespace: "apps".into(),
            name: name.into(),
            ..ObjectRef::default()
        }
    }

    #[test]
    fn a_plan_is_a_comment() {
        let set = |replicas: u32| -> Manifests {
            [(
                object("Deployment", "web"),
                json!({"spec": {"replicas": replicas}}),
            )]
            .into()
        };
        let owner = |name: &str, has_failed| Reconciler {
            object: object("Kustomization", name),
            has_failed,
            is_waiting: false,
            reason: "BuildFailed".into(),
            message: "no | <b>\nfile".into(),
            objects: objects(&set(2), &set(if has_failed { 2 } else { 3 })),
        };
        let plan = Plan {
            offset: Offset(7),
            time: Timestamp(0),
            source: object("GitRepository", "app"),
            revision: "main@sha1:01".into(),
            reconcilers: vec![owner("app", false), owner("bad", true)],
            notes: vec!["a note".into()],
        };
        assert_eq!(
            text(&plan),
            "### What this would change

GitRepository/apps/app at `main@sha1:01`, decided after offset 7 of 1970-01-01T00:00:00.000Z.

> a note

| | Added | Changed | Removed | |
|---|---|---|---|---|
| Kustomization/apps/app | 0 | 1 | 0 |  |
| Kustomization/apps/bad | 0 | 0 | 0 | ❌ BuildFailed: no \\| &lt;b> file |

<details><summary>Kustomization/apps/app</summary>

```diff
Deployment/apps/web changed
- spec.replicas: 2
+ spec.replicas: 3
```

</details>
"
        );
    }

    #[test]
    fn a_value_cannot_close_its_fence() {
        let set: Manifests = [(object("ConfigMap", "a"), json!({"data": "```\n# x"}))].into();
        let text = fenced(&objects(&Manifests::new(), &set));
        assert!(
            text.starts_with("````diff\n") && text.ends_with("````\n"),
            "{text}"
        );
    }
}
