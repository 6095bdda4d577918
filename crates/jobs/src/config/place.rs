//! Where sources are and outputs go, made comparable: `..`, symbolic links and the spelling of URLs do not hide that two
//! places are the same, or that one is inside the other.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

/// A folder, a file or a prefix of objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// In the file system: absolute, without `..`, symbolic links resolved as far as the path exists.
    Path(PathBuf),
    /// Elsewhere: scheme, and the segments behind it.
    Url(String, Vec<String>),
}

impl Place {
    /// The place that a path or URL names.
    pub(super) fn of(text: &str) -> Self {
        match text.split_once("://") {
            Some(("file", path)) => Place::Path(real(Path::new(path))),
            Some((scheme, rest)) => {
                let scheme = if scheme == "s3a" { "s3" } else { scheme };
                let segments = rest.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned);
                Place::Url(scheme.to_owned(), segments.collect())
            }
            None => Place::Path(real(Path::new(text))),
        }
    }

    /// Whether the other place is this one or inside it.
    pub(super) fn holds(&self, other: &Place) -> bool {
        match (self, other) {
            (Place::Path(outer), Place::Path(inner)) => inner.starts_with(outer),
            (Place::Url(scheme, outer), Place::Url(other, inner)) => scheme == other && inner.starts_with(outer),
            _ => false,
        }
    }

    /// Whether the places are the same or one is inside the other.
    pub(super) fn overlaps(&self, other: &Place) -> bool {
        self.holds(other) || other.holds(self)
    }
}

/// The places that a source reads.
#[derive(Debug)]
pub(super) struct SourcePlace {
    base: Place,
    /// Whether files below the base are read, at any depth.
    deep: bool,
}

impl SourcePlace {
    /// Of a path, a folder, a glob or a URL.
    pub(super) fn of(text: &str) -> Self {
        let wildcard = text.find(['*', '?', '[', '{']).filter(|_| text.contains("://") || !Path::new(text).exists());
        match wildcard {
            None => Self { base: Place::of(text), deep: true },
            Some(at) => {
                let base = text[..at].rfind('/').map_or(".", |slash| &text[..=slash]);
                Self { base: Place::of(base), deep: text[at..].contains("**") }
            }
        }
    }

    /// Whether writing into a folder could replace or add to what is read.
    pub(super) fn is_touched_by(&self, output: &Place) -> bool {
        output.holds(&self.base) || (self.deep && self.base.holds(output))
    }
}

/// The absolute path without `.` and `..`; what exists of it is followed through its symbolic links.
fn real(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut resolved = PathBuf::new();
    for part in absolute.components() {
        match part {
            Component::CurDir => {}
            // What stands here has no links any more, so going up is dropping the last part.
            Component::ParentDir => {
                resolved.pop();
            }
            other => {
                resolved.push(other);
                if fs::symlink_metadata(&resolved).is_ok_and(|found| found.is_symlink())
                    && let Ok(target) = resolved.canonicalize()
                {
                    resolved = target;
                }
            }
        }
    }
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_does_not_hide_a_place() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("data/in")).unwrap();
        let text = |path: &str| root.join(path).display().to_string();
        let place = |path: &str| Place::of(&text(path));
        assert_eq!(place("data/./in/../in/"), place("data/in"));
        assert_eq!(place("new/../data"), place("data"));
        assert!(place("data").holds(&place("data/in/out")) && !place("data").holds(&place("data2")));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(root.join("data/in"), root.join("link")).unwrap();
            assert_eq!(place("link/x"), place("data/in/x"));
            assert_eq!(place("link/../y"), place("data/y"));
        }
        assert_eq!(Place::of("s3a://b//p/"), Place::of("s3://b/p"));
        assert!(Place::of("s3://b/p").holds(&Place::of("s3://b/p/q")) && !Place::of("s3://b/p").holds(&Place::of("s3://b/pq")));
        assert!(!Place::of("s3://b/p").overlaps(&place("data")));
        assert_eq!(Place::of(&format!("file://{}", text("data"))), place("data"));
    }

    #[test]
    fn a_glob_reads_its_own_depth_only() {
        let touched = |source: &str, output: &str| SourcePlace::of(source).is_touched_by(&Place::of(output));
        assert!(touched("/d/in", "/d/in/out") && touched("/d/in", "/d") && !touched("/d/in", "/d/out"));
        assert!(!touched("/d/*.hl7", "/d/out") && touched("/d/*.hl7", "/d"));
        assert!(touched("/d/**/*.hl7", "/d/out") && !touched("/d/a*/x.hl7", "/d/out"));
        assert!(touched("s3://b/in/", "s3://b/in/out") && !touched("s3://b/in/*.hl7", "s3://b/in/out"));
    }
}
