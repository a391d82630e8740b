//! From a template's text to its parts, with Go's errors (text/template/parse of Go 1.26).

mod command;
pub(crate) mod node;
mod number;
mod token;
mod unquote;

use std::rc::Rc;

use crate::error::Error;
use crate::format::quoted;
use node::{Branch, Branching, Call, Node, Pipe, Source, Template};
use token::{Form, Keyword, Lexer, Token};
use unquote::unquote;

/// Deeper nesting than this is an error here; Go would go on until its memory ends.
const DEPTH_MAX: usize = 1000;

/// All templates that a text defines: its own last.
pub(crate) fn parse(name: &str, text: &str) -> Result<Vec<Template>, Error> {
    let text: Rc<str> = Rc::from(text);
    let source = Rc::new(Source {
        name: Rc::from(name),
        text: Rc::clone(&text),
    });
    let mut parser = Parser {
        lexer: Lexer::new(&text),
        source,
        tokens: std::array::from_fn(|_| Token {
            form: Form::End,
            position: 0,
            line: 0,
            text: "".into(),
        }),
        peeked: 0,
        next_id: 0,
        depth: 0,
        templates: Vec::new(),
        scope: Scope::new(),
    };
    parser.whole()?;
    Ok(parser.templates)
}

/// What holds within one template.
struct Scope {
    variables: Vec<Rc<str>>,
    ranges: usize,
    /// The line on which the action that is being read began.
    action_line: usize,
}

impl Scope {
    fn new() -> Self {
        Self {
            variables: vec![Rc::from("$")],
            ranges: 0,
            action_line: 0,
        }
    }
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    source: Rc<Source>,
    /// Tokens that were read and put back, the next one last. The first is the newest from the
    /// text: errors tell its line.
    tokens: [Token<'t>; 3],
    peeked: usize,
    next_id: u32,
    depth: usize,
    templates: Vec<Template>,
    scope: Scope,
}

/// What an action turned out to be.
enum Item {
    Node(Node),
    End,
    Else,
}

impl Item {
    fn shown(&self) -> &'static str {
        match self {
            Self::Node(_) => "action",
            Self::End => "{{end}}",
            Self::Else => "{{else}}",
        }
    }
}

impl<'t> Parser<'t> {
    fn next(&mut self) -> Token<'t> {
        if self.peeked > 0 {
            self.peeked -= 1;
        } else {
            self.tokens[0] = self.lexer.next();
        }
        self.tokens[self.peeked].clone()
    }

    fn back(&mut self) {
        self.peeked += 1;
    }

    fn peek(&mut self) -> &Token<'t> {
        if self.peeked == 0 {
            self.peeked = 1;
            self.tokens[0] = self.lexer.next();
        }
        &self.tokens[self.peeked - 1]
    }

    fn next_word(&mut self) -> Token<'t> {
        loop {
            let token = self.next();
            if token.form != Form::Space {
                return token;
            }
        }
    }

    fn peek_word(&mut self) -> Token<'t> {
        let token = self.next_word();
        self.back();
        token
    }

    fn id(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id
    }

    fn error(&self, message: impl std::fmt::Display) -> Error {
        let line = self.tokens[0].line;
        Error::plain(format!("template: {}:{line}: {message}", self.source.name))
    }

    fn unexpected(&self, token: &Token<'_>, context: &str) -> Error {
        if token.form != Form::Error {
            return self.error(format!("unexpected {} in {context}", token.shown()));
        }
        let begun = self.scope.action_line;
        if begun == 0 || begun == token.line {
            return self.error(&token.text);
        }
        let action = if token.text.ends_with(" action") {
            ""
        } else {
            " in action"
        };
        let name = &self.source.name;
        self.error(format!("{}{action} started at {name}:{begun}", token.text))
    }

    fn expect(&mut self, form: Form, context: &str) -> Result<Token<'t>, Error> {
        let token = self.next_word();
        if token.form == form {
            return Ok(token);
        }
        Err(self.unexpected(&token, context))
    }

    /// The whole text, with the definitions in it.
    fn whole(&mut self) -> Result<(), Error> {
        let mut body = Vec::new();
        while self.peek().form != Form::End {
            if self.peek().form == Form::LeftDelim {
                let delimiter = self.next();
                if self.next_word().form == Form::Keyword(Keyword::Define) {
                    self.definition()?;
                    continue;
                }
                self.tokens[1] = delimiter;
                self.peeked = 2;
            }
            match self.item()? {
                Item::Node(node) => body.push(node),
                other => return Err(self.error(format!("unexpected {}", other.shown()))),
            }
        }
        self.add(Rc::clone(&self.source.name), body)
    }

    fn definition(&mut self) -> Result<(), Error> {
        const CONTEXT: &str = "define clause";
        let outer = std::mem::replace(&mut self.scope, Scope::new());
        let token = self.next_word();
        let name = self.template_name(&token, CONTEXT)?;
        self.expect(Form::RightDelim, CONTEXT)?;
        self.named_body(name, CONTEXT)?;
        self.scope = outer;
        Ok(())
    }

    fn named_body(&mut self, name: Rc<str>, context: &str) -> Result<(), Error> {
        let (body, end) = self.items()?;
        if !matches!(end, Item::End) {
            return Err(self.error(format!("unexpected {} in {context}", end.shown())));
        }
        self.add(name, body)
    }

    fn add(&mut self, name: Rc<str>, body: Vec<Node>) -> Result<(), Error> {
        let source = Rc::clone(&self.source);
        let template = Template { name, source, body };
        let mut others = self.templates.iter_mut();
        match others.find(|each| each.name == template.name) {
            None => self.templates.push(template),
            Some(other) if other.is_empty() => *other = template,
            Some(_) if template.is_empty() => {}
            Some(_) => {
                let name = quoted(template.name.as_bytes());
                let message = format!("template: multiple definition of template {name}");
                return Err(self.error(message));
            }
        }
        Ok(())
    }

    /// Up to an `end` or `else`, which is given too.
    fn items(&mut self) -> Result<(Vec<Node>, Item), Error> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error(format!("nested more than {DEPTH_MAX} deep")));
        }
        let mut nodes = Vec::new();
        while self.peek_word().form != Form::End {
            match stacker::maybe_grow(64 << 10, 1 << 20, || self.item())? {
                Item::Node(node) => nodes.push(node),
                end => {
                    self.depth -= 1;
                    return Ok((nodes, end));
                }
            }
        }
        Err(self.error("unexpected EOF"))
    }

    fn item(&mut self) -> Result<Item, Error> {
        let token = self.next_word();
        match token.form {
            Form::Text => {
                let start = token.position;
                let end = start + token.text.len();
                Ok(Item::Node(Node::Text { start, end }))
            }
            Form::LeftDelim => {
                self.scope.action_line = token.line;
                let item = self.action();
                self.scope.action_line = 0;
                item
            }
            _ => Err(self.unexpected(&token, "input")),
        }
    }

    fn action(&mut self) -> Result<Item, Error> {
        let token = self.next_word();
        let Form::Keyword(keyword) = token.form else {
            self.back();
            let pipe = self.pipeline("command", Form::RightDelim)?;
            let id = self.id();
            return Ok(Item::Node(Node::Action { id, pipe }));
        };
        let position = token.position;
        let node = match keyword {
            Keyword::Block => self.block()?,
            Keyword::Break => {
                self.loop_control("{{break}}")?;
                Node::Break { position }
            }
            Keyword::Continue => {
                self.loop_control("{{continue}}")?;
                Node::Continue { position }
            }
            Keyword::Else => return self.otherwise(),
            Keyword::End => {
                self.expect(Form::RightDelim, "end")?;
                return Ok(Item::End);
            }
            Keyword::If => self.branch(Branching::If)?,
            Keyword::Range => self.branch(Branching::Range)?,
            Keyword::With => self.branch(Branching::With)?,
            Keyword::Template => self.call()?,
            Keyword::Define => {
                self.back();
                let token = self.peek().clone();
                return Err(self.unexpected(&token, "command"));
            }
        };
        Ok(Item::Node(node))
    }

    fn loop_control(&mut self, word: &str) -> Result<(), Error> {
        let token = self.next_word();
        if token.form != Form::RightDelim {
            return Err(self.unexpected(&token, word));
        }
        if self.scope.ranges == 0 {
            return Err(self.error(format!("{word} outside {{{{range}}}}")));
        }
        Ok(())
    }

    /// `else`; an `if` or `with` behind it is left for the branch that it belongs to.
    fn otherwise(&mut self) -> Result<Item, Error> {
        let next = self.peek_word().form;
        if !matches!(next, Form::Keyword(Keyword::If | Keyword::With)) {
            self.expect(Form::RightDelim, "else")?;
        }
        Ok(Item::Else)
    }

    fn branch(&mut self, kind: Branching) -> Result<Node, Error> {
        let (context, keyword) = match kind {
            Branching::If => ("if", Some(Keyword::If)),
            Branching::With => ("with", Some(Keyword::With)),
            Branching::Range => ("range", None),
        };
        let variables = self.scope.variables.len();
        let pipe = self.pipeline(context, Form::RightDelim)?;
        let ranges = usize::from(kind == Branching::Range);
        self.scope.ranges += ranges;
        let (then, end) = self.items()?;
        self.scope.ranges -= ranges;
        let mut otherwise = None;
        if matches!(end, Item::Else) {
            let chained = keyword.is_some_and(|word| self.peek().form == Form::Keyword(word));
            otherwise = Some(if chained {
                self.next();
                self.depth += 1;
                if self.depth > DEPTH_MAX {
                    return Err(self.error(format!("nested more than {DEPTH_MAX} deep")));
                }
                let nested = stacker::maybe_grow(64 << 10, 1 << 20, || self.branch(kind))?;
                self.depth -= 1;
                vec![nested]
            } else {
                let (nodes, end) = self.items()?;
                if !matches!(end, Item::End) {
                    return Err(self.error(format!("expected end; found {}", end.shown())));
                }
                nodes
            });
        }
        self.scope.variables.truncate(variables);
        let id = self.id();
        Ok(Node::Branch(Box::new(Branch {
            id,
            kind,
            pipe,
            then,
            otherwise,
        })))
    }

    fn call(&mut self) -> Result<Node, Error> {
        const CONTEXT: &str = "template clause";
        let token = self.next_word();
        let name = self.template_name(&token, CONTEXT)?;
        let mut pipe = None;
        if self.next_word().form != Form::RightDelim {
            self.back();
            pipe = Some(self.pipeline(CONTEXT, Form::RightDelim)?);
        }
        Ok(self.call_node(token.position, name, pipe))
    }

    /// A `define` and a `template` in one.
    fn block(&mut self) -> Result<Node, Error> {
        const CONTEXT: &str = "block clause";
        let token = self.next_word();
        let name = self.template_name(&token, CONTEXT)?;
        let pipe = self.pipeline(CONTEXT, Form::RightDelim)?;
        let outer = std::mem::replace(&mut self.scope, Scope::new());
        self.named_body(Rc::clone(&name), CONTEXT)?;
        self.scope = outer;
        Ok(self.call_node(token.position, name, Some(pipe)))
    }

    fn call_node(&mut self, position: usize, name: Rc<str>, pipe: Option<Pipe>) -> Node {
        let id = self.id();
        Node::Call(Box::new(Call {
            id,
            position,
            name,
            pipe,
        }))
    }

    fn template_name(&self, token: &Token<'_>, context: &str) -> Result<Rc<str>, Error> {
        if !matches!(token.form, Form::String | Form::RawString) {
            return Err(self.unexpected(token, context));
        }
        let name = unquote(&token.text).map_err(|error| self.error(error))?;
        Ok(Rc::from(&*String::from_utf8_lossy(&name)))
    }
}
