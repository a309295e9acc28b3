//! The declaration of a contract: each function is named once, with what it takes, answers, refuses and announces.

use bytes::Bytes;
use serde_json::Value;

use crate::{Argument, Context, ContractError, ErrorCode, Reply, codes};

/// How a function is meant to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It changes state or must leave a trace: submit it.
    Submit,
    /// It only reads: evaluating is enough.
    Evaluate,
}

type Call = dyn Fn(&mut Context<'_>, &[Bytes]) -> Result<Bytes, ContractError> + Send + Sync;

/// One function of a contract, as clients see it.
pub struct Function {
    pub(crate) name: &'static str,
    pub(crate) purpose: &'static str,
    pub(crate) mode: Mode,
    pub(crate) arguments: Vec<(&'static str, Value)>,
    pub(crate) result: Value,
    pub(crate) roles: &'static [&'static str],
    pub(crate) errors: &'static [&'static ErrorCode],
    pub(crate) events: &'static [&'static str],
    pub(crate) transient: Option<&'static [&'static str]>,
    call: Box<Call>,
}

impl Function {
    /// A function that changes state or must leave a trace.
    pub fn submit<A, H: Handler<A>>(
        name: &'static str,
        purpose: &'static str,
        arguments: &'static [&'static str],
        handler: H,
    ) -> Self {
        Self::new(Mode::Submit, name, purpose, arguments, handler)
    }

    /// A function that only reads.
    pub fn evaluate<A, H: Handler<A>>(
        name: &'static str,
        purpose: &'static str,
        arguments: &'static [&'static str],
        handler: H,
    ) -> Self {
        Self::new(Mode::Evaluate, name, purpose, arguments, handler)
    }

    fn new<A, H: Handler<A>>(
        mode: Mode,
        name: &'static str,
        purpose: &'static str,
        names: &'static [&'static str],
        handler: H,
    ) -> Self {
        let schemas = H::arguments();
        assert_eq!(schemas.len(), names.len(), "{name} names each of its arguments");
        Self {
            name,
            purpose,
            mode,
            arguments: names.iter().copied().zip(schemas).collect(),
            result: H::result(),
            roles: &[],
            errors: &[],
            events: &[],
            transient: Some(&[]),
            call: Box::new(move |context, args| handler.call(context, args, names)),
        }
    }

    /// Only callers whose `carecord.role` is among these may call it; none given means everyone.
    pub fn roles(mut self, roles: &'static [&'static str]) -> Self {
        self.roles = roles;
        self
    }

    /// The refusals that the function itself makes.
    pub fn errors(mut self, errors: &'static [&'static ErrorCode]) -> Self {
        self.errors = errors;
        self
    }

    /// The events that the function may set.
    pub fn events(mut self, events: &'static [&'static str]) -> Self {
        self.events = events;
        self
    }

    /// The transient fields that the function reads; any other is refused.
    pub fn transient(mut self, fields: &'static [&'static str]) -> Self {
        self.transient = Some(fields);
        self
    }

    /// Lets any transient field pass unread.
    pub fn any_transient(mut self) -> Self {
        self.transient = None;
        self
    }

    /// Checks role, transient fields and arity, then runs the function.
    pub(crate) fn call(
        &self,
        context: &mut Context<'_>,
        args: &[Bytes],
    ) -> Result<Bytes, ContractError> {
        self.check_role(context)?;
        self.check_transient(context)?;
        if args.len() != self.arguments.len() {
            let names: Vec<_> = self.arguments.iter().map(|(name, _)| *name).collect();
            let reason = format!(
                "{} takes {} arguments ({}), {} were given",
                self.name,
                names.len(),
                names.join(", "),
                args.len()
            );
            return Err(codes::ARITY.because(reason));
        }
        (self.call)(context, args)
    }

    fn check_role(&self, context: &Context<'_>) -> Result<(), ContractError> {
        if self.roles.is_empty() {
            return Ok(());
        }
        match context.caller()?.role() {
            Some(role) if self.roles.contains(&role) => Ok(()),
            Some(role) => {
                Err(codes::ROLE.because(format!("role {role} may not call {}", self.name)))
            }
            None => Err(codes::ROLE
                .because(format!("the certificate states no role, {} needs one", self.name))),
        }
    }

    fn check_transient(&self, context: &mut Context<'_>) -> Result<(), ContractError> {
        let Some(known) = self.transient else { return Ok(()) };
        match context.stub().transient().keys().find(|field| !known.contains(&field.as_str())) {
            None => Ok(()),
            Some(_) => Err(codes::TRANSIENT.because(format!(
                "{} was sent a transient field that it does not read",
                self.name
            ))),
        }
    }
}

/// A group of functions that are called as `contract:Function`.
pub struct Contract {
    pub(crate) name: &'static str,
    pub(crate) purpose: &'static str,
    pub(crate) functions: Vec<Function>,
}

impl Contract {
    /// An empty contract.
    pub fn new(name: &'static str, purpose: &'static str) -> Self {
        Self { name, purpose, functions: Vec::new() }
    }

    /// Adds a function.
    pub fn function(mut self, function: Function) -> Self {
        let taken = self.functions.iter().any(|f| f.name == function.name);
        assert!(!taken, "{}:{} is declared once", self.name, function.name);
        self.functions.push(function);
        self
    }
}

/// A Rust function over a context and typed arguments; `A` is the tuple of the argument types.
pub trait Handler<A>: Send + Sync + 'static {
    /// The schemas of the arguments, in order.
    fn arguments() -> Vec<Value>;
    /// The schema of the result.
    fn result() -> Value;
    /// Parses the arguments and runs the function; there are as many as [`Handler::arguments`] says.
    fn call(
        &self,
        context: &mut Context<'_>,
        args: &[Bytes],
        names: &[&'static str],
    ) -> Result<Bytes, ContractError>;
}

macro_rules! handler {
    ($($argument:ident $index:tt),*) => {
        impl<F, R, $($argument),*> Handler<($($argument,)*)> for F
        where
            F: Fn(&mut Context<'_>, $($argument),*) -> Result<R, ContractError>
                + Send + Sync + 'static,
            R: Reply,
            $($argument: Argument,)*
        {
            fn arguments() -> Vec<Value> {
                vec![$(<$argument as crate::Schema>::schema()),*]
            }
            fn result() -> Value {
                <R as Reply>::schema()
            }
            fn call(
                &self,
                context: &mut Context<'_>,
                _args: &[Bytes],
                _names: &[&'static str],
            ) -> Result<Bytes, ContractError> {
                (self)(context, $($argument::parse(&_args[$index], _names[$index])?),*)?.payload()
            }
        }
    };
}
handler!();
handler!(A0 0);
handler!(A0 0, A1 1);
handler!(A0 0, A1 1, A2 2);
handler!(A0 0, A1 1, A2 2, A3 3);
handler!(A0 0, A1 1, A2 2, A3 3, A4 4);
