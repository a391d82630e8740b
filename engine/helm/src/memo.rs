//! What is made of a chart's files once, however often it is rendered: parsed templates, compiled schemas.
//!
//! It belongs to a chart and its clones. A file is known by being the same bytes at the same place in memory,
//! so what was made of a file that somebody exchanged is never taken. What cannot be made is not kept.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use fluvial_gotemplate::Parsed;
use jsonschema::Validator;

/// Shared by a chart and its clones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memo(Rc<RefCell<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// By their names from the root chart's on, as errors have them.
    templates: BTreeMap<String, (Arc<[u8]>, Parsed)>,
    schema: Option<(Arc<[u8]>, Rc<Validator>)>,
}

impl Memo {
    /// What a template file defines; `parse` says so if nobody asked before.
    pub(crate) fn template<E>(
        &self,
        name: &str,
        text: &Arc<[u8]>,
        parse: impl FnOnce() -> Result<Parsed, E>,
    ) -> Result<Parsed, E> {
        if let Some((own, parsed)) = self.0.borrow().templates.get(name)
            && Arc::ptr_eq(own, text)
        {
            return Ok(parsed.clone());
        }
        let parsed = parse()?;
        let kept = (Arc::clone(text), parsed.clone());
        self.0.borrow_mut().templates.insert(name.to_owned(), kept);
        Ok(parsed)
    }

    /// A chart's schema; `compile` reads it if nobody asked before.
    pub(crate) fn schema<E>(
        &self,
        text: &Arc<[u8]>,
        compile: impl FnOnce() -> Result<Validator, E>,
    ) -> Result<Rc<Validator>, E> {
        if let Some((own, schema)) = &self.0.borrow().schema
            && Arc::ptr_eq(own, text)
        {
            return Ok(Rc::clone(schema));
        }
        let schema = Rc::new(compile()?);
        self.0.borrow_mut().schema = Some((Arc::clone(text), Rc::clone(&schema)));
        Ok(schema)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(memo: &Memo, text: &Arc<[u8]>) -> Option<Parsed> {
        memo.template("a", text, || Err(())).ok()
    }

    #[test]
    fn a_file_is_parsed_once_and_anew_when_it_is_another() {
        let memo = Memo::default();
        let text: Arc<[u8]> = Arc::from(*b"{{ .a }}");
        assert!(parsed(&memo, &text).is_none(), "what fails is not kept");
        memo.template("a", &text, || Parsed::new("a", "{{ .a }}"))
            .unwrap();
        assert!(parsed(&memo, &text).is_some());
        assert!(parsed(&memo.clone(), &text).is_some(), "clones share");
        let equal: Arc<[u8]> = Arc::from(&*text);
        assert!(parsed(&memo, &equal).is_none(), "another file");
    }

    #[test]
    fn a_schema_is_compiled_once_and_anew_when_it_is_another() {
        let memo = Memo::default();
        let text: Arc<[u8]> = Arc::from(*b"true");
        let again = |text| memo.schema(text, || Err(())).is_ok();
        assert!(!again(&text));
        memo.schema(&text, || jsonschema::validator_for(&true.into()))
            .unwrap();
        assert!(again(&text));
        assert!(!again(&Arc::from(&*text)));
    }
}
