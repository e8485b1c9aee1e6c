//! What a template may do. Scenario files come from strangers, and the template language could be made to fill the
//! memory or the stack with a few words.
//!
//! A template fills in values, chooses with `if` and loops over what a variable holds. It never gives a name to
//! something that it computed and never multiplies: what one expression gives is then no larger than its own length
//! times the variables that it names, however the template is built.

use std::borrow::Cow;
use std::cell::Cell;
use std::io;

use minijinja::functions::Function;
use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{FunctionArgs, FunctionResult, Rest, Value, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior, filters, tests};

/// Steps of one template, so that a loop within a loop ends.
const FUEL: u64 = 100_000;
/// The most bytes of texts that the filters of one template may be given.
const MAX_GIVEN: usize = 16 << 20;
/// What a value counts beside its text: that it is looked at, and perhaps written.
const AN_ITEM: usize = 8;
/// The same of all templates of one script.
pub const MAX_SCRIPT_GIVEN: usize = 64 << 20;
/// The longest text that a template may give, in bytes.
pub const MAX_TEXT: usize = 1 << 20;
/// The most bytes that all texts of one script that are filled in may have together.
pub const MAX_SCRIPT: usize = 32 << 20;
/// Words and signs within one pair of braces. An expression is read and dropped recursively.
const MAX_TOKENS: usize = 100;
/// Statements (`{% … %}`) in one template: a chain of `elif` is read recursively, too.
const MAX_STATEMENTS: usize = 200;
const STATEMENTS: [&str; 6] = ["if", "elif", "else", "endif", "for", "endfor"];

/// The filters that a template may use, in the order in which messages list them.
pub const FILTERS: &str = "upper, lower, title, capitalize, trim, replace, split, lines, join, length, first, last, \
     sort, reverse, unique, items, list, min, max, sum, int, float, round, abs, default, string and tojson";

/// The template language with nothing in it that grows without end.
pub fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
        // A text's own line feed at its end is the author's.
        environment.set_syntax(syntax);
    }
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_formatter(|output, _, value| match value.kind() {
        ValueKind::Undefined => Err(Error::from(ErrorKind::UndefinedError)),
        _ => output.write_str(&shown(value)).map_err(Error::from),
    });
    environment.set_fuel(Some(FUEL));
    add_filters(&mut environment);
    add_tests(&mut environment);
    environment
}

fn add_filters(environment: &mut Environment<'_>) {
    add(environment, "upper", filters::upper);
    add(environment, "lower", filters::lower);
    add(environment, "title", filters::title);
    add(environment, "capitalize", filters::capitalize);
    add(environment, "trim", filters::trim);
    add(environment, "replace", replace);
    add(environment, "split", filters::split);
    add(environment, "lines", filters::lines);
    add(environment, "join", join);
    add(environment, "length", filters::length);
    add(environment, "first", filters::first);
    add(environment, "last", filters::last);
    add(environment, "sort", filters::sort);
    add(environment, "reverse", filters::reverse);
    add(environment, "unique", filters::unique);
    add(environment, "items", filters::items);
    add(environment, "list", filters::list);
    add(environment, "min", filters::min);
    add(environment, "max", filters::max);
    add(environment, "sum", filters::sum);
    add(environment, "int", filters::int);
    add(environment, "float", filters::float);
    add(environment, "round", filters::round);
    add(environment, "abs", filters::abs);
    add(environment, "default", filters::default);
    add(environment, "string", filters::string);
    add(environment, "tojson", filters::tojson);
}

/// A filter that is charged for what it is given: a step of a loop may well go through all that a variable holds.
fn add<F, Rv, Args>(environment: &mut Environment<'_>, name: &'static str, filter: F)
where
    F: Function<Rv, Args>,
    Rv: FunctionResult,
    Args: for<'a> FunctionArgs<'a>,
{
    let filter = Value::from_function(filter);
    // What these are given they do not go through.
    let is_quick = ["length", "first", "last", "default"].contains(&name);
    environment.add_filter(name, move |state: &mut State, given: Rest<ValueOrKwargs>| {
        let given = given.into_values();
        given.iter().try_for_each(|value| charge(value, is_quick))?;
        filter.call(state, &given)
    });
}

thread_local! {
    /// What filters were given in the rendering at hand, which has this thread to itself. The language hands out its own state of a
    /// rendering only where that succeeds.
    static GIVEN: Cell<usize> = const { Cell::new(0) };
}

/// Renders, and tells how many bytes its filters were given, whatever came of it.
pub fn measured<R>(render: impl FnOnce() -> R) -> (R, usize) {
    GIVEN.set(0);
    (render(), GIVEN.get())
}

fn charge(value: &Value, is_quick: bool) -> Result<(), Error> {
    GIVEN.set(GIVEN.get().saturating_add(AN_ITEM + value.as_str().map_or(0, str::len)));
    if GIVEN.get() > MAX_GIVEN {
        let message = format!("its filters go through more than {} MiB", MAX_GIVEN >> 20);
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable if !is_quick => {
            value.try_iter()?.try_for_each(|item| charge(&item, false))
        }
        ValueKind::Map if !is_quick => value.try_iter()?.try_for_each(|key| {
            charge(&key, false)?;
            charge(&value.get_item(&key)?, false)
        }),
        _ => Ok(()),
    }
}

fn add_tests(environment: &mut Environment<'_>) {
    environment.add_test("defined", tests::is_defined);
    environment.add_test("undefined", tests::is_undefined);
    environment.add_test("none", tests::is_none);
    environment.add_test("boolean", tests::is_boolean);
    environment.add_test("number", tests::is_number);
    environment.add_test("string", tests::is_string);
    environment.add_test("sequence", tests::is_sequence);
    environment.add_test("mapping", tests::is_mapping);
    environment.add_test("odd", tests::is_odd);
    environment.add_test("even", tests::is_even);
    environment.add_test("startingwith", tests::is_startingwith);
    environment.add_test("endingwith", tests::is_endingwith);
    environment.add_test("in", tests::is_in);
}

/// A value as text. Jinja's `True` and `None` are Python's, and scenarios are YAML.
fn shown(value: &Value) -> Cow<'_, str> {
    match value.kind() {
        ValueKind::Bool => if value.is_true() { "true" } else { "false" }.into(),
        ValueKind::None => "null".into(),
        _ => value.as_str().map_or_else(|| value.to_string().into(), Cow::from),
    }
}

/// minijinja's own `replace`, refused where the result would be too long.
fn replace(text: &str, from: &str, to: &str) -> Result<String, Error> {
    let grown = text.matches(from).count().saturating_mul(to.len());
    if text.len().saturating_add(grown) > MAX_TEXT { Err(too_long()) } else { Ok(text.replace(from, to)) }
}

/// minijinja's own `join`, ended where the result becomes too long.
fn join(items: &Value, between: Option<&str>) -> Result<String, Error> {
    if items.kind() == ValueKind::String {
        return Err(Error::new(ErrorKind::InvalidOperation, "`join` takes a list, and this is a text"));
    }
    let mut joined = String::new();
    for (at, item) in items.try_iter()?.enumerate() {
        if at > 0 {
            joined.push_str(between.unwrap_or_default());
        }
        joined.push_str(&shown(&item));
        if joined.len() > MAX_TEXT {
            return Err(too_long());
        }
    }
    Ok(joined)
}

fn too_long() -> Error {
    Error::new(ErrorKind::InvalidOperation, "it gives more than 1 MiB of text")
}

/// Why a template may not be used, before it is read. What is no template at all is left to the reader.
pub fn refusal(text: &str) -> Option<String> {
    let mut in_tag = 0;
    let mut statements = 0;
    let mut is_statement_word = false;
    let mut is_loop_source = false;
    for token in tokenize(text, false, SyntaxConfig::default()) {
        let Ok((token, _)) = token else { return None };
        in_tag += 1;
        if in_tag > MAX_TOKENS {
            return Some(format!("one pair of braces has more than {MAX_TOKENS} words and signs"));
        }
        match token {
            Token::TemplateData(_) | Token::VariableEnd | Token::BlockEnd => {
                in_tag = 0;
                is_loop_source = false;
            }
            Token::BlockStart => {
                statements += 1;
                if statements > MAX_STATEMENTS {
                    return Some(format!("it has more than {MAX_STATEMENTS} statements"));
                }
                is_statement_word = true;
                continue;
            }
            Token::Ident(word) if is_statement_word => {
                if !STATEMENTS.contains(&word) {
                    return Some(format!("`{word}` is no statement here"));
                }
                is_loop_source = word == "for";
            }
            Token::Mul | Token::Pow => return Some("it multiplies".to_owned()),
            // In front of `in` stand only names and commas.
            Token::Ident(word) if !is_loop_source || word != "recursive" => {}
            Token::Dot | Token::Pipe | Token::Comma if is_loop_source => {}
            _ if is_loop_source => {
                return Some("a loop goes over a variable, and over nothing that is computed".to_owned());
            }
            _ => {}
        }
        is_statement_word = false;
    }
    None
}

/// Takes as much of what a template gives as may be.
#[derive(Debug, Default)]
pub struct Bounded(Vec<u8>);

impl Bounded {
    /// What was given; `None` where that is no text, which does not happen.
    pub fn into_text(self) -> Option<String> {
        String::from_utf8(self.0).ok()
    }
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_TEXT {
            return Err(io::Error::other("it gives more than 1 MiB of text"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
