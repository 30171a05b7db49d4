//! [`Stream`]: the answer of `verify`, each endpoint written as it is found where the format
//! allows that, since nobody holds those of a hundred thousand targets.

use crate::app::Failure;
use std::io::Write;

use crate::app::output::{Output, Reader, print_with};
use crate::cli::Format;
use crate::model::Inspection;
use crate::report::prometheus::Exposition;
use crate::report::{Body, Report, json, jsonl, nagios};

/// An answer of `verify` under way.
pub(in crate::app) struct Stream<'a> {
    output: &'a Output,
    exposition: Exposition,
    begun: bool,
}

impl<'a> Stream<'a> {
    pub(in crate::app) fn new(output: &'a Output) -> Self {
        Self { output, exposition: Exposition::default(), begun: false }
    }

    /// One endpoint. A person and Nagios are told at the end only.
    ///
    /// # Errors
    /// [`Failure::Work`] when it cannot be written.
    pub(in crate::app) fn put(&mut self, look: &Inspection) -> Result<Reader, Failure> {
        let text = match self.output.format {
            Format::Human | Format::Nagios | Format::Html => return Ok(Reader::There),
            Format::Prometheus => {
                self.exposition.add(look);
                return Ok(Reader::There);
            }
            Format::Jsonl => jsonl::line(look).map_err(Failure::work)?,
            Format::Json => {
                let before = if self.begun { "," } else { json::BEGINNING };
                before.to_owned() + &json::text(look).map_err(Failure::work)?
            }
        };
        self.begun = true;
        self.output.print(&text)
    }

    /// The rest of the answer. `report` holds those endpoints that a person or Nagios is told of.
    ///
    /// # Errors
    /// [`Failure::Work`] when it cannot be written.
    pub(in crate::app) fn end(self, report: &Report) -> Result<(), Failure> {
        let Body::Verify(verified) = &report.body else { return Ok(()) };
        let text = match self.output.format {
            Format::Human | Format::Html => self.output.for_people(report),
            Format::Nagios => nagios::line(verified),
            Format::Prometheus => {
                let write = |stdout: &mut dyn Write| self.exposition.write(verified, stdout);
                return print_with(write).map(|_| ());
            }
            Format::Jsonl => jsonl::last(report, verified).map_err(Failure::work)?,
            Format::Json => {
                let before = if self.begun { "" } else { json::BEGINNING };
                before.to_owned() + &json::ending(report).map_err(Failure::work)?
            }
        };
        self.output.print(&text).map(|_| ())
    }

    /// A whole answer of which all is known.
    ///
    /// # Errors
    /// [`Failure::Work`] when it cannot be written.
    pub(in crate::app) fn whole(mut self, report: &Report) -> Result<(), Failure> {
        let Body::Verify(verified) = &report.body else { return Ok(()) };
        for look in &verified.endpoints {
            self.put(look)?;
        }
        self.end(report)
    }
}
