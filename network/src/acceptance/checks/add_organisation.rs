//! Group `membership`: an organisation joins a running network by the commands of a document, run as they are written.

use std::path::Path;

use crate::acceptance::document::Document;
use crate::acceptance::{Check, Context, Finding};
use crate::codes::Code;
use crate::configuring;
use crate::error::{Failure, Outcome};
use crate::session::Session;
use crate::state::UserEntry;

mod calls;

use calls::{CALLS, Call};

const DOCUMENT: &str = "docs/operate/add-organisation.md";
/// What the block contains that lets the organisation in.
const ADMITS: &str = "org submit pharmacy.update";
/// What the block contains after which its peer is on the channel.
const WORKS: &str = "tx submit --as pharmacist";
/// What the block contains that takes its rights away.
const DISMISSES: &str = "org submit suspend.update";
const PERSON: &str = "pharmacist";
const MEMBER_ADMIN: &str = "Admin@HospitalA";

pub(super) const CHECKS: &[Check] = &[Check {
    name: "add-organisation",
    group: "membership",
    goal: "a fifth organisation joins by the document's commands; before and after its membership each call is refused",
    work: |context| Box::pin(add_organisation(context)),
}];

#[derive(Default)]
struct Tally {
    blocks: usize,
    refused: usize,
    taken: usize,
}

async fn add_organisation(context: &Context) -> Outcome<Finding> {
    let (dir, folder) = (context.work.join("add-organisation"), context.work.join("operator"));
    std::fs::create_dir_all(&folder).map_err(|error| Failure::file(&folder, &error))?;
    let network = super::program(context, &["network", "up", "--demo", "--detach"], &dir).await;
    let tally = match network {
        Ok(()) => follow(context, &dir, &folder).await,
        Err(failure) => Err(failure),
    };
    super::program(context, &["network", "down"], &dir).await?;
    let tally = tally?;
    let (expected, blocks) = (CALLS.len(), tally.blocks);
    // Each call as it comes and with a member's TLS certificate, before and after.
    let ok = tally.refused == expected * 4 && tally.taken == expected && blocks > 6;
    Ok(Finding::new(
        format!(
            "{blocks} blocks of the document ran as written; {} of {} calls refused while a stranger, {} of {expected} taken while a member",
            tally.refused,
            expected * 4,
            tally.taken
        ),
        ok,
    ))
}

async fn follow(context: &Context, dir: &Path, folder: &Path) -> Outcome<Tally> {
    let document = Document::read(DOCUMENT)?;
    let mut tally = Tally::default();
    for block in document.blocks() {
        if block.contains(ADMITS) {
            tally.refused += refused(dir).await?;
        }
        document.run(block, &context.binary, folder, dir).await?;
        tally.blocks += 1;
        if block.contains(WORKS) {
            tally.taken += taken(dir).await?;
        }
        if block.contains(DISMISSES) {
            tally.refused += refused(dir).await?;
        }
    }
    Ok(tally)
}

/// How many calls of a stranger are refused: with its own TLS certificate, and with that of a member, so that its identity
/// alone is judged.
async fn refused(dir: &Path) -> Outcome<usize> {
    let session = Session::open(dir)?;
    let own = session.file().user(PERSON)?.clone();
    let member = session.file().user(MEMBER_ADMIN)?;
    let borrowed = UserEntry {
        tls_certificate_file: member.tls_certificate_file.clone(),
        tls_key_file: member.tls_key_file.clone(),
        ..own.clone()
    };
    let mut count = 0;
    for user in [&own, &borrowed] {
        for call in CALLS {
            match call.make(&session, user).await {
                Err(failure) if Call::is_refusal(&failure, user == &borrowed) => count += 1,
                Err(failure) => {
                    return Err(Failure::new(
                        Code::Short,
                        format!("{} of a stranger failed otherwise: {failure}", call.name()),
                    ));
                }
                Ok(()) => {
                    let cause = format!("{} of a stranger was taken", call.name());
                    return Err(Failure::new(Code::Short, cause));
                }
            }
        }
    }
    Ok(count)
}

/// How many calls of a member are taken.
async fn taken(dir: &Path) -> Outcome<usize> {
    let session = Session::open(dir)?;
    let user = session.file().user(PERSON)?;
    let channel = session.file().channel(None)?;
    configuring::current(&session, channel, session.file().admin("Pharmacy")?).await?;
    for call in CALLS {
        call.make(&session, user).await.map_err(|failure| {
            Failure::new(Code::Short, format!("{} of a member failed: {failure}", call.name()))
        })?;
    }
    Ok(CALLS.len())
}
