//! The command line: one noun per file below `cli/`.
//!
//! Results go to standard output, progress and errors to standard error. Exit codes are those of
//! [`crate::error::Exit`]; every failure carries a code that `carecord explain` knows.

mod audit;
mod backup;
mod bench;
mod block;
mod ca;
mod cert;
mod chaincode;
mod channel;
mod configtx;
mod consent;
mod debug;
mod demo;
mod explain;
mod help;
mod identity;
mod ledger;
mod network;
mod node;
mod orderer;
mod org;
mod private;
mod record;
mod snapshot;
mod target;
mod tx;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::codes::Code;
use crate::error::{Exit, Failure, Outcome};
use crate::output::{Format, Output};

/// A permissioned health ledger that speaks Hyperledger Fabric's wire protocols.
#[derive(Debug, Parser)]
#[command(name = "carecord", version, max_term_width = 100)]
struct Arguments {
    /// Form of the results.
    #[arg(short, long, global = true, value_enum, default_value_t, env = "CARECORD_OUTPUT")]
    output: Format,
    /// No progress on standard error.
    #[arg(short, long, global = true, env = "CARECORD_QUIET")]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring up a network and run the main job on it: records, consent, refusal, audit.
    Demo(demo::Demo),
    /// Make, start, stop and look at a network.
    #[command(subcommand)]
    Network(network::Network),
    /// Run one node of a network.
    #[command(subcommand)]
    Node(node::Node),
    /// Channels: what is agreed on them, and how that is changed.
    #[command(subcommand)]
    Channel(channel::Channel),
    /// Organisations of a channel: invite, approve, list, suspend.
    #[command(subcommand)]
    Org(org::Org),
    /// Orderers of a channel: list, status, add, remove, replace, transfer-leader.
    #[command(subcommand)]
    Orderer(orderer::Orderer),
    /// Fabric's messages as JSON and back.
    #[command(subcommand)]
    Configtx(configtx::Configtx),
    /// Membership services: make one, run one, look at one, its revocation list.
    #[command(subcommand)]
    Ca(ca::Ca),
    /// People of the network: certificates and registration.
    #[command(subcommand)]
    Identity(identity::Identity),
    /// Encrypted records: add, open, list.
    #[command(subcommand)]
    Record(record::Record),
    /// Who may see what: grant, revoke, list.
    #[command(subcommand)]
    Consent(consent::Consent),
    /// Who looked at what.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Chaincode: package, install, approve, commit, deploy, call.
    #[command(subcommand)]
    Chaincode(chaincode::Chaincode),
    /// Private data: signed receipts of what is gone.
    #[command(subcommand)]
    Private(private::Private),
    /// Transactions: submit, evaluate, show.
    #[command(subcommand)]
    Tx(tx::Tx),
    /// Blocks: list, show.
    #[command(subcommand)]
    Block(block::Block),
    /// Chains: export; verify, roll back and rebuild those of a stopped node.
    #[command(subcommand)]
    Ledger(ledger::Ledger),
    /// The state of a channel as files: create, list, verify, join from.
    #[command(subcommand)]
    Snapshot(snapshot::Snapshot),
    /// A node's data, configuration and certificates, copied while it runs: create, list, verify, restore.
    #[command(subcommand)]
    Backup(backup::Backup),
    /// Measure a running network.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Look for what must not be on a disk.
    #[command(subcommand, hide = true)]
    Debug(debug::Debug),
    /// Certificates: how long they last, what they say, new ones.
    #[command(subcommand)]
    Cert(cert::Cert),
    /// What an error code means and what to do.
    Explain(explain::Explain),
}

/// Reads the command line and runs the command.
pub fn main() -> ExitCode {
    let mut command = help::grouped(Arguments::command());
    if std::env::args_os().len() <= 1 {
        // Nothing was asked for, so nothing went wrong.
        let _ = command.print_help();
        return ExitCode::SUCCESS;
    }
    let matches = command.try_get_matches_from_mut(std::env::args_os());
    let arguments = match matches.and_then(|matches| Arguments::from_arg_matches(&matches)) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version go to standard output and are no failure; clap knows which is which.
            let _ = error.print();
            let usage = ExitCode::from(Exit::Usage as u8);
            return if error.use_stderr() { usage } else { ExitCode::SUCCESS };
        }
    };
    let output = Output::new(arguments.output, arguments.quiet);
    match run(arguments.command, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            failure.exit_code()
        }
    }
}

fn run(command: Command, output: Output) -> Outcome<()> {
    match command {
        Command::Node(command) => command.run(),
        Command::Debug(command) => command.run(output),
        Command::Explain(command) => command.run(output),
        Command::Configtx(command) => command.run(),
        Command::Demo(command) => in_runtime(command.run(output)),
        Command::Network(command) => in_runtime(command.run(output)),
        Command::Channel(command) => in_runtime(command.run(output)),
        Command::Org(command) => in_runtime(command.run(output)),
        Command::Orderer(command) => in_runtime(command.run(output)),
        Command::Ca(command) => command.run(output),
        Command::Identity(command) => in_runtime(command.run(output)),
        Command::Record(command) => in_runtime(command.run(output)),
        Command::Consent(command) => in_runtime(command.run(output)),
        Command::Audit(command) => in_runtime(command.run(output)),
        Command::Chaincode(command) => in_runtime(command.run(output)),
        Command::Private(command) => in_runtime(command.run(output)),
        Command::Tx(command) => in_runtime(command.run(output)),
        Command::Block(command) => in_runtime(command.run(output)),
        Command::Ledger(command) => in_runtime(command.run(output)),
        Command::Snapshot(command) => in_runtime(command.run(output)),
        Command::Backup(command) => command.run(output),
        Command::Cert(command) => in_runtime(command.run(output)),
        Command::Bench(command) => in_runtime(command.run(output)),
    }
}

fn in_runtime(work: impl Future<Output = Outcome<()>>) -> Outcome<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Code::Argument, format!("no runtime: {error}")))?
        .block_on(work)
}
