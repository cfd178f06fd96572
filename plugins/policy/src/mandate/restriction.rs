// SPDX-License-Identifier: MIT OR Apache-2.0
//! What narrows a mandate after it was signed: the checks that a token may hold, and nothing else.
//!
//! A check is Datalog, and whoever holds a token may append any. Those that this reader knows are decided from
//! their structure; a token with another one is refused as a whole. So no program of a stranger is ever run here,
//! what a check allows can be told to people without printing text that a stranger chose, and the end of a narrowed
//! mandate is known rather than searched for.

use std::collections::HashMap;

use biscuit_auth::{
    BlockBuilder,
    builder::{Binary, Check, CheckKind, Expression, Op, Rule, Term},
};
use jiff::Timestamp;

use crate::{
    schedule::{Day, Schedule, Span},
    vocabulary::SinkClass,
};

/// One check of a token. Lists allow what they name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restriction {
    /// `check if purpose("…")`
    Purposes(Vec<String>),
    /// `check if camera("a") or camera("b")`
    Cameras(Vec<String>),
    /// `check if operator("…")`
    Operators(Vec<String>),
    /// `check if sink_class("…")`
    SinkClasses(Vec<SinkClass>),
    /// `check if recipient_name("…")`
    Recipients(Vec<String>),
    /// `check if time($t), $t >= …, $t < …`; either bound may be absent.
    Period {
        /// First instant.
        from: Option<Timestamp>,
        /// First instant after it.
        until: Option<Timestamp>,
    },
    /// `check if paris_time("mon", $m), $m >= 480, $m < 1200 or …`: the day of the week and the minutes since
    /// midnight on the clocks of Paris.
    Hours(Schedule),
}

/// What of a request a restriction can speak about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub now: Timestamp,
    pub purpose: &'a str,
    pub camera: &'a str,
    pub operator: &'a str,
    pub sink_class: SinkClass,
    /// Name of the recipient, if the mandate has one.
    pub recipient: Option<&'a str>,
}

impl Restriction {
    /// Reads a check; `None` for one that this version does not know.
    pub(super) fn of(check: &Check) -> Option<Self> {
        if check.kind != CheckKind::One || check.queries.is_empty() {
            return None;
        }
        if check
            .queries
            .iter()
            .any(|q| !q.scopes.is_empty() || q.body.len() != 1)
        {
            return None;
        }
        let name = check.queries[0].body[0].name.as_str();
        if check.queries.iter().any(|q| q.body[0].name != name) {
            return None;
        }
        match (name, check.queries.as_slice()) {
            ("purpose", queries) => texts(queries).map(Self::Purposes),
            ("camera", queries) => texts(queries).map(Self::Cameras),
            ("operator", queries) => texts(queries).map(Self::Operators),
            ("recipient_name", queries) => texts(queries).map(Self::Recipients),
            ("sink_class", queries) => texts(queries)?
                .iter()
                .map(|word| SinkClass::from_word(word))
                .collect::<Option<_>>()
                .map(Self::SinkClasses),
            ("time", [query]) => period(query),
            ("paris_time", queries) => {
                let spans: Vec<Span> = queries.iter().map(span).collect::<Option<_>>()?;
                Schedule::of_spans(&spans).map(Self::Hours)
            }
            _ => None,
        }
    }

    /// Whether it allows this.
    pub(crate) fn allows(&self, subject: &Subject<'_>) -> bool {
        let one_of = |list: &[String], text: &str| list.iter().any(|item| item == text);
        match self {
            Self::Purposes(list) => one_of(list, subject.purpose),
            Self::Cameras(list) => one_of(list, subject.camera),
            Self::Operators(list) => one_of(list, subject.operator),
            Self::SinkClasses(list) => list.contains(&subject.sink_class),
            Self::Recipients(list) => subject.recipient.is_some_and(|name| one_of(list, name)),
            Self::Period { from, until } => {
                from.is_none_or(|from| from <= subject.now)
                    && until.is_none_or(|until| subject.now < until)
            }
            Self::Hours(schedule) => schedule.open_at(subject.now),
        }
    }

    /// Adds it to a block.
    pub(super) fn append(&self, block: BlockBuilder) -> Result<BlockBuilder, String> {
        let mut parameters = HashMap::new();
        let mut put = |term: Term| {
            let name = format!("p{}", parameters.len());
            let place = format!("{{{name}}}");
            parameters.insert(name, term);
            place
        };
        let queries: Vec<String> = match self {
            Self::Purposes(list) => one_query_each("purpose", list, &mut put),
            Self::Cameras(list) => one_query_each("camera", list, &mut put),
            Self::Operators(list) => one_query_each("operator", list, &mut put),
            Self::Recipients(list) => one_query_each("recipient_name", list, &mut put),
            Self::SinkClasses(list) => {
                let words: Vec<String> = list.iter().map(|c| c.word().to_owned()).collect();
                one_query_each("sink_class", &words, &mut put)
            }
            Self::Period { from, until } => {
                let mut query = "time($t)".to_owned();
                for (operator, bound) in [(">=", from), ("<", until)] {
                    if let Some(instant) = bound {
                        query += &format!(", $t {operator} {}", put(date(*instant)?));
                    }
                }
                vec![query]
            }
            Self::Hours(schedule) => schedule
                .spans()
                .map(|s| {
                    let day = put(Term::Str(s.day.word().to_owned()));
                    format!("paris_time({day}, $m), $m >= {}, $m < {}", s.from, s.to)
                })
                .collect(),
        };
        block
            .code_with_params(
                format!("check if {};", queries.join(" or ")),
                parameters,
                HashMap::new(),
            )
            .map_err(|e| e.to_string())
    }
}

/// Seconds since 1970, the only unit of time a token has; instants before 1970 are refused.
pub(super) fn date(instant: Timestamp) -> Result<Term, String> {
    u64::try_from(instant.as_second())
        .map(Term::Date)
        .map_err(|_| format!("{instant} lies before 1970"))
}

fn one_query_each(
    name: &str,
    list: &[String],
    put: &mut impl FnMut(Term) -> String,
) -> Vec<String> {
    list.iter()
        .map(|text| format!("{name}({})", put(Term::Str(text.clone()))))
        .collect()
}

fn texts(queries: &[Rule]) -> Option<Vec<String>> {
    queries
        .iter()
        .map(
            |q| match (q.body[0].terms.as_slice(), q.expressions.as_slice()) {
                ([Term::Str(text)], []) => Some(text.clone()),
                _ => None,
            },
        )
        .collect()
}

fn period(query: &Rule) -> Option<Restriction> {
    let [Term::Variable(variable)] = query.body[0].terms.as_slice() else {
        return None;
    };
    let (mut from, mut until) = (None, None);
    for expression in &query.expressions {
        let (operator, bound) = comparison(expression, variable)?;
        let Term::Date(second) = bound else {
            return None;
        };
        let instant = Timestamp::from_second(i64::try_from(*second).ok()?).ok()?;
        match operator {
            Binary::GreaterOrEqual if from.is_none() => from = Some(instant),
            Binary::LessThan if until.is_none() => until = Some(instant),
            _ => return None,
        }
    }
    (from.is_some() || until.is_some()).then_some(Restriction::Period { from, until })
}

fn span(query: &Rule) -> Option<Span> {
    let [Term::Str(day), Term::Variable(variable)] = query.body[0].terms.as_slice() else {
        return None;
    };
    let [first, last] = query.expressions.as_slice() else {
        return None;
    };
    let minute = |expression, expected| match comparison(expression, variable)? {
        (operator, Term::Integer(minute)) if *operator == expected => u16::try_from(*minute).ok(),
        _ => None,
    };
    Some(Span {
        day: Day::from_word(day)?,
        from: minute(first, Binary::GreaterOrEqual)?,
        to: minute(last, Binary::LessThan)?,
    })
}

/// The operator and the right side of `$variable OPERATOR value`.
fn comparison<'e>(expression: &'e Expression, variable: &str) -> Option<(&'e Binary, &'e Term)> {
    match expression.ops.as_slice() {
        [
            Op::Value(Term::Variable(left)),
            Op::Value(right),
            Op::Binary(operator),
        ] if left == variable => Some((operator, right)),
        _ => None,
    }
}
