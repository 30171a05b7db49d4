//! The server tables, in the order postfix, exim, dovecot.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::fault::{Log, Trouble};
use super::raw::{self, Table, Value};
use super::{Common, ServerTable, value};

/// Every server table of the file.
pub(super) fn servers(root: &Table<'_>) -> Vec<ServerTable> {
    let mut servers = Vec::new();
    let mut seen = Seen::default();
    for table in root.tables("postfix", raw::POSTFIX) {
        let config_directory =
            table.text("config-directory", value::path).unwrap_or_else(|| POSTFIX.into());
        let map_type = table.text("map-type", value::map_type);
        let common = common(&table);
        seen.instance(
            &table,
            "config-directory",
            format!("postfix {}", config_directory.display()),
        );
        seen.directory(&table, "postfix", &common);
        servers.push(ServerTable::Postfix { config_directory, map_type, common });
    }
    for table in root.tables("exim", raw::EXIM) {
        let binary = table.text("binary", value::path).unwrap_or_else(|| EXIM.into());
        let config_file = table.text("config-file", value::path);
        let layout = table.text("layout", value::layout);
        let common = common(&table);
        seen.instance(&table, "config-file", format!("exim {} {config_file:?}", binary.display()));
        seen.directory(&table, "exim", &common);
        servers.push(ServerTable::Exim { binary, config_file, layout, common });
    }
    for table in root.tables("dovecot", raw::DOVECOT) {
        let config_file = table.text("config-file", value::path).unwrap_or_else(|| DOVECOT.into());
        let common = common(&table);
        seen.instance(&table, "config-file", format!("dovecot {}", config_file.display()));
        seen.directory(&table, "dovecot", &common);
        servers.push(ServerTable::Dovecot { config_file, common });
    }
    seen.judge(root.log);
    servers
}

/// What every server table takes.
fn common(table: &Table<'_>) -> Common {
    let account = |key| table.value(key)?.number_or_text(value::account_number, value::account);
    Common {
        directory: table.text("directory", value::server_directory),
        reload: reload(table),
        default: table.text("default", value::host),
        owner: account("owner"),
        group: account("group"),
        files_only: table.truth("files-only").unwrap_or_default(),
    }
}

fn reload(table: &Table<'_>) -> Option<Vec<String>> {
    let argv = table.some_texts("reload", value::argument)?;
    if let Some((program, place)) = argv.first()
        && let Err(trouble) = value::program(program)
    {
        place.wrong(trouble);
    }
    Some(argv.into_iter().map(|(argument, _)| argument).collect())
}

/// What each table takes for itself.
#[derive(Default)]
struct Seen<'a> {
    /// The instances, with the lines of their tables.
    instances: HashMap<String, usize>,
    /// The directories, with the kind of server that writes there.
    directories: Vec<(PathBuf, &'static str, Value<'a>)>,
}

impl<'a> Seen<'a> {
    /// One server is described once: two tables would install and reload against each other.
    fn instance(&mut self, table: &Table<'a>, key: &str, instance: String) {
        let line = table.log.source.line(table.span.start);
        if let Some(first) = self.instances.insert(instance, line) {
            table.log.missing(
                Some(table.span.clone()),
                Trouble::new("this server is described twice", format!("expected another `{key}`"))
                    .help(format!("the table in line {first} is about the same server")),
            );
        }
    }

    fn directory(&mut self, table: &Table<'a>, kind: &'static str, common: &Common) {
        if let (Some(directory), Some(value)) = (&common.directory, table.value("directory")) {
            self.directories.push((directory.clone(), kind, value));
        }
    }

    /// Servers of one kind may share their files; those of another kind want other files under the
    /// same names.
    fn judge(mut self, log: &Log<'_>) {
        self.directories.sort_by_key(|(_, _, value)| value.span.start);
        let mut first: HashMap<&Path, (&str, usize)> = HashMap::new();
        for (directory, kind, value) in &self.directories {
            let line = log.source.line(value.span.start);
            let (other, line) = *first.entry(directory).or_insert((kind, line));
            if other != *kind {
                let message = format!("this directory is already {other}'s");
                value.wrong(
                    Trouble::new(message, "expected a directory of its own")
                        .help(format!("it stands in line {line} as well")),
                );
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
