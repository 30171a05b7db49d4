//! The server tables, in the order postfix, exim, dovecot, files.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::fault::{Log, Trouble};
use super::raw::{self, Table};
use super::{Common, FilePattern, ServerTable, files, value};

/// Every server table of the file.
pub(super) fn servers(root: &Table<'_>) -> Vec<ServerTable> {
    let mut servers = Vec::new();
    let mut seen = Seen::default();
    for table in root.tables("postfix", raw::POSTFIX) {
        let config_directory =
            table.text("config-directory", value::path).unwrap_or_else(|| POSTFIX.into());
        let map_type = table.text("map-type", value::map_type);
        let common = common(&table);
        let instance = format!("postfix {}", config_directory.display());
        if seen.instance(&table, "config-directory", instance) {
            let usual = config_directory.join("mailcert");
            seen.directory(&table, "postfix", Some(usual), &common);
        }
        servers.push(ServerTable::Postfix { config_directory, map_type, common });
    }
    for table in root.tables("exim", raw::EXIM) {
        let binary = table.text("binary", value::path).unwrap_or_else(|| EXIM.into());
        let config_file = table.text("config-file", value::path);
        let layout = table.text("layout", value::layout);
        let common = common(&table);
        let instance = format!("exim {} {config_file:?}", binary.display());
        if seen.instance(&table, "config-file", instance) {
            seen.directory(&table, "exim", None, &common);
        }
        servers.push(ServerTable::Exim { binary, config_file, layout, common });
    }
    for table in root.tables("dovecot", raw::DOVECOT) {
        let config_file = table.text("config-file", value::path).unwrap_or_else(|| DOVECOT.into());
        let common = common(&table);
        if seen.instance(&table, "config-file", format!("dovecot {}", config_file.display())) {
            let usual = config_file.parent().map(|folder| folder.join("mailcert"));
            seen.directory(&table, "dovecot", usual, &common);
        }
        servers.push(ServerTable::Dovecot { config_file, common });
    }
    servers.extend(root.tables("files", raw::FILES).iter().filter_map(|table| seen.files(table)));
    seen.judge(root.log);
    servers
}

/// What every server table takes.
fn common(table: &Table<'_>) -> Common {
    let account = |key| table.value(key)?.number_or_text(value::account_number, value::account);
    let files_only = table.truth("files-only").unwrap_or_default();
    let is_files = files::PATHS.iter().any(|key| table.value(key).is_some());
    Common {
        directory: table.text("directory", value::server_directory),
        reload: files::argv(table, "reload"),
        default: table.text("default", value::host),
        owner: account("owner"),
        group: account("group"),
        files_only,
        listen: files::listen(table, !files_only && !is_files),
    }
}

/// What each table takes for itself.
#[derive(Default)]
struct Seen {
    /// The instances, with the lines of their tables.
    instances: HashMap<String, usize>,
    /// The directories, with the kind of server that writes there and where that is said.
    directories: Vec<(PathBuf, &'static str, Range<usize>)>,
    /// The files of `[[files]]` tables, with their lines.
    files: HashMap<PathBuf, usize>,
}

impl Seen {
    /// One server is described once: two tables would install and reload against each other.
    /// Returns whether this is its first.
    fn instance(&mut self, table: &Table<'_>, key: &str, instance: String) -> bool {
        let line = table.log.source.line(table.span.start);
        let Some(first) = self.instances.insert(instance, line) else { return true };
        table.log.missing(
            Some(table.span.clone()),
            Trouble::new("this server is described twice", format!("expected another `{key}`"))
                .help(format!("the table in line {first} is about the same server")),
        );
        false
    }

    /// Where a server's files go: what its table says, else the usual place.
    fn directory(
        &mut self,
        table: &Table<'_>,
        kind: &'static str,
        usual: Option<PathBuf>,
        common: &Common,
    ) {
        let stated = table.value("directory").map(|value| value.span);
        let span = stated.unwrap_or_else(|| table.span.clone());
        if let Some(directory) = common.directory.clone().or(usual) {
            self.directories.push((directory, kind, span));
        }
    }

    /// A `[[files]]` table.
    fn files(&mut self, table: &Table<'_>) -> Option<ServerTable> {
        let name = table.value("name").map(|_| table.text("name", files::label));
        self.instance(table, "name", format!("files {name:?}"));
        let files = files::files(table, name.flatten(), common(table))?;
        if let ServerTable::Files { paths, .. } = &files {
            self.pattern(table, "key", paths.key.as_ref());
            self.pattern(table, "chain", paths.chain.as_ref());
            self.pattern(table, "combined", paths.combined.as_ref());
        }
        Some(files)
    }

    /// A file of a `[[files]]` table: no other table writes it, and no mail server's own directory
    /// is its place.
    fn pattern(&mut self, table: &Table<'_>, key: &str, pattern: Option<&FilePattern>) {
        let (Some(pattern), Some(value)) = (pattern, table.value(key)) else { return };
        let line = table.log.source.line(value.span.start);
        if let Some(first) = self.files.insert(pattern.path("{name}"), line) {
            value.wrong(
                Trouble::new("this file is written twice", "expected another path")
                    .help(format!("it stands in line {first} as well")),
            );
        }
        self.directories.push((pattern.directory().to_owned(), "files", value.span));
    }

    /// Two servers want other files under the same names, if only the default certificate. Only
    /// `[[files]]` tables, which name their files, may share a directory.
    fn judge(mut self, log: &Log<'_>) {
        self.directories.sort_by_key(|(_, _, span)| span.start);
        let mut first: HashMap<&Path, (&str, usize)> = HashMap::new();
        for (directory, kind, span) in &self.directories {
            let line = log.source.line(span.start);
            match first.get(directory.as_path()) {
                None => {
                    first.insert(directory, (kind, line));
                }
                Some(("files", _)) if *kind == "files" => {}
                Some((other, line)) => {
                    let message = match *other {
                        "files" => "[[files]] write into this directory already".to_owned(),
                        other if other == *kind => {
                            format!("this directory is already another {other}'s")
                        }
                        other => format!("this directory is already {other}'s"),
                    };
                    log.wrong(
                        span.clone(),
                        Trouble::new(message, "expected a directory of its own")
                            .help(format!("{} stands in line {line} as well", directory.display())),
                    );
                }
            }
        }
    }
}

/// Where Postfix's configuration is if nothing else is said.
const POSTFIX: &str = "/etc/postfix";

/// Exim's program on Debian, where the binary is called exim4.
const EXIM: &str = "/usr/sbin/exim4";

/// Where Dovecot's configuration is if nothing else is said.
const DOVECOT: &str = "/etc/dovecot/dovecot.conf";
