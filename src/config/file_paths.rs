//! [`FilePaths`]: where the files of a `[[files]]` table go.

use std::path::{Path, PathBuf};

/// The paths of one table; at least one is there, and either all hold `{name}` or none does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilePaths {
    /// The key alone.
    pub key: Option<FilePattern>,
    /// Leaf and chain.
    pub chain: Option<FilePattern>,
    /// Key, leaf and chain.
    pub combined: Option<FilePattern>,
}

impl FilePaths {
    /// Those that are there.
    pub fn all(&self) -> impl Iterator<Item = &FilePattern> {
        [&self.key, &self.chain, &self.combined].into_iter().flatten()
    }

    /// Whether every certificate has files of its own.
    #[must_use]
    pub fn are_for_each(&self) -> bool {
        self.all().any(FilePattern::has_name)
    }

    /// Whether a pair is in two files, which cannot change at once.
    #[must_use]
    pub fn are_split(&self) -> bool {
        self.key.is_some() || self.chain.is_some()
    }

    /// The directories of the files, each once.
    #[must_use]
    pub fn directories(&self) -> Vec<&Path> {
        let mut all: Vec<&Path> = self.all().map(FilePattern::directory).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// An absolute path whose file name may hold `{name}` once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePattern {
    directory: PathBuf,
    before: String,
    /// What follows `{name}`; `None` where the file name is fixed.
    after: Option<String>,
}

impl FilePattern {
    /// The pattern in a text; `None` where it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (directory, file) = text.rsplit_once('/')?;
        let (before, after) = match file.split_once(NAME) {
            Some((before, after)) => (before, Some(after.to_owned())),
            None => (file, None),
        };
        let rest = [directory, before, after.as_deref().unwrap_or_default()];
        let odd = |part: &str| part.chars().any(|c| matches!(c, '{' | '}') || c.is_control());
        // A file whose name begins with a dot is passed over by much that reads directories.
        let named = !file.is_empty() && !file.starts_with('.');
        let climbs = Path::new(text).components().any(|part| part.as_os_str() == "..");
        let whole = text.starts_with('/') && named && !climbs && !rest.into_iter().any(odd);
        let directory = if directory.is_empty() { "/" } else { directory };
        whole.then(|| Self { directory: directory.into(), before: before.to_owned(), after })
    }

    /// Whether it holds `{name}`.
    #[must_use]
    pub fn has_name(&self) -> bool {
        self.after.is_some()
    }

    /// Where the file lies.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The path for a certificate of this name.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(match &self.after {
            Some(after) => format!("{}{name}{after}", self.before),
            None => self.before.clone(),
        })
    }

    /// Whether it is the path for some name.
    #[must_use]
    pub fn matches(&self, path: &Path) -> bool {
        let file = path.file_name().and_then(|name| name.to_str());
        let is_named = |file: &str| match &self.after {
            None => file == self.before,
            Some(after) => file
                .strip_prefix(&self.before)
                .and_then(|rest| rest.strip_suffix(after))
                .is_some_and(|name| !name.is_empty()),
        };
        path.parent() == Some(&self.directory) && file.is_some_and(is_named)
    }
}

/// What stands for the certificate's name.
const NAME: &str = "{name}";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::FilePattern;

    #[test]
    fn a_pattern_is_an_absolute_path_with_at_most_one_name_in_its_file() {
        for (text, path) in [
            ("/etc/ssl/{name}.pem", Some("/etc/ssl/a.test.pem")),
            ("/etc/ssl/x-{name}", Some("/etc/ssl/x-a.test")),
            ("/etc/ssl/site.pem", Some("/etc/ssl/site.pem")),
            ("/site.pem", Some("/site.pem")),
            ("etc/{name}.pem", None),
            ("/etc/{name}/key.pem", None),
            ("/etc/{name}{name}.pem", None),
            ("/etc/{host}.pem", None),
            ("/etc/../{name}.pem", None),
            ("/etc/.{name}.pem", None),
            ("/etc/", None),
            ("", None),
        ] {
            let found = FilePattern::parse(text).map(|pattern| pattern.path("a.test"));
            assert_eq!(found.as_deref(), path.map(Path::new), "{text}");
        }
    }
}
