//! `run --staging`: has the CA's staging directory validate every name. An order there is never
//! finalized, so that no certificate comes of it that could be installed.

use futures_util::StreamExt;

use crate::app::output::{Output, Progress};
use crate::app::session::Session;
use crate::app::{Failure, challenges};
use crate::config::Config;
use crate::flow::{self, Fresh, Means, Notes};
use crate::model::{CertName, DnsId, Finding};
use crate::plan::{Mode, Wish};
use crate::report::{Body, Rehearsal, RehearsalRow, Report};

/// Certificates at once, as in a run.
const AT_ONCE: usize = 8;
/// So often the others are tried again without those that failed.
const ROUNDS: usize = 3;

/// The configuration with a staging directory: the one it names, else that of its CA.
///
/// # Errors
/// [`Failure::Usage`] where the CA has none that is known.
pub(super) fn with_staging(mut config: Config) -> Result<Config, Failure> {
    let Some(staging) = config.acme.staging_directory() else {
        return Err(Failure::helped(
            format_args!("no staging directory is known for {}", config.acme.directory),
            "name it in [acme]: `staging = \"https://..\"`",
        ));
    };
    config.acme.staging = Some(staging);
    Ok(config)
}

/// Validates what is wanted, and says which names passed.
pub(super) async fn rehearse(session: &Session, output: &Output) -> Result<u8, Failure> {
    let _lock = session.lock(output).await?;
    session.heed_signals()?;
    let progress = Progress::new(output.quiet());
    let tell = |event: &flow::Event| match event {
        flow::Event::Planned(_) => progress.end(),
        event => progress.tell(event),
    };
    let means = session.means(&tell);
    session.sweep().await;
    let known = Fresh::Remembered;
    let found = flow::discover(&means, known, Notes::None).await.map_err(Failure::store)?;
    let scene = flow::look(&means, &found, &Mode::Run, None).await.map_err(Failure::store)?;
    let own = |wish: &&Wish| wish.name.owner().is_none() && !wish.name.is_beside();
    let wishes = scene.desired.certificates.iter().filter(own);
    let tried = futures_util::stream::iter(wishes)
        .map(|wish| try_names(&means, &wish.name, &wish.names))
        .buffered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    session.sweep().await;
    progress.end();
    let (certificates, refused): (Vec<_>, Vec<_>) = tried.into_iter().unzip();
    let mut findings = refused.concat();
    findings.extend(challenges::left_in_dns(session).await?);
    let directory = session.config.acme.staging.clone().unwrap_or_default();
    let rehearsal = Rehearsal::of(directory, certificates);
    let code = u8::from(!rehearsal.ok);
    output.answer(&Report::new("run", Body::Rehearsal(rehearsal), findings))?;
    Ok(code)
}

/// Which names of one certificate pass, and why the others do not.
async fn try_names(
    means: &Means<'_>,
    certificate: &CertName,
    names: &[DnsId],
) -> (RehearsalRow, Vec<Finding>) {
    let (mut left, mut findings) = (names.to_vec(), Vec::new());
    let mut passed = Vec::new();
    for _ in 0..ROUNDS {
        if left.is_empty() || means.stopped() {
            break;
        }
        match means.ca.rehearse(&left, means.solver).await {
            Ok(validated) => {
                passed = validated;
                break;
            }
            Err(refusal) => {
                left.retain(|name| !refusal.names.contains(name));
                findings.extend(refusal.findings);
            }
        }
    }
    let row = RehearsalRow { certificate: certificate.clone(), names: names.to_vec(), passed };
    (row, findings)
}
