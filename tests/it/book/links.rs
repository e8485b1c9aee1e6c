//! Every link leads somewhere: to a page that is there, to a heading that it has; and every page is in the book.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::page::{pages, read, root};

fn events(text: &str) -> impl Iterator<Item = Event<'_>> {
    Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES)
}

/// The anchors of a page's headings, as GitHub and mdBook make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut heading: Option<String> = None;
    for event in events(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                let kept = heading.take().unwrap_or_default().to_lowercase();
                let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
                let slug = kept.collect::<String>().replace(' ', "-");
                let count = seen.entry(slug.clone()).or_default();
                anchors.insert(if *count == 0 { slug.clone() } else { format!("{slug}-{count}") });
                *count += 1;
            }
            _ => {}
        }
    }
    anchors
}

fn targets(text: &str) -> Vec<String> {
    let links = events(text).filter_map(|event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some(vec![dest_url.to_string()]),
        Event::Html(html) | Event::InlineHtml(html) => {
            let sources = html.split("src=\"").skip(1).filter_map(|rest| rest.split('"').next());
            Some(sources.map(ToOwned::to_owned).collect())
        }
        _ => None,
    });
    links.flatten().collect()
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut path, component| {
        match component {
            Component::ParentDir => assert!(path.pop(), "a link leads out of the repository"),
            Component::CurDir => {}
            other => path.push(other),
        }
        path
    })
}

/// What is wrong with the links of a page.
fn broken(page: &str) -> Vec<String> {
    let text = read(page);
    let wrong = targets(&text).into_iter().filter_map(|target| {
        if target.contains("://") {
            return (!target.starts_with("https://")).then(|| format!("{page}: `{target}` is no address of https"));
        }
        let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
        let file = match path {
            "" => PathBuf::from(page),
            path => plain(&Path::new(page).parent().expect("a folder").join(path)),
        };
        if page.starts_with("docs/") && !file.starts_with("docs") {
            return Some(format!("{page}: `{target}` leads out of the book, where nothing is"));
        }
        if !root().join(&file).exists() {
            return Some(format!("{page}: `{target}` leads to nothing"));
        }
        let has_anchor = || anchors(&read(&file.to_string_lossy())).contains(anchor);
        (!anchor.is_empty() && !has_anchor()).then(|| format!("{page}: `{target}` leads to no heading"))
    });
    wrong.collect()
}

#[test]
fn every_link_of_every_page_leads_somewhere() {
    let pages = pages().into_iter().chain(["SUMMARY.md".to_owned()]).map(|page| format!("docs/{page}"));
    let others = ["README.md", "CHANGELOG.md", "bench/README.md"].map(ToOwned::to_owned);
    let broken: Vec<String> = pages.chain(others).flat_map(|page| broken(&page)).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_page_is_in_the_book_once() {
    let mut linked: Vec<String> = targets(&read("docs/SUMMARY.md"));
    linked.sort();
    assert_eq!(linked, pages(), "docs/SUMMARY.md on the left, the pages on the right");
}

/// Who opens the book, or the repository, finds everything from there.
#[test]
fn the_first_pages_lead_to_every_other() {
    for (page, folder) in [("docs/introduction.md", ""), ("README.md", "docs/")] {
        let linked: BTreeSet<String> =
            targets(&read(page)).iter().filter_map(|target| target.split('#').next().map(ToOwned::to_owned)).collect();
        let others = pages().into_iter().filter(|other| other != "introduction.md");
        let missing: Vec<String> = others.filter(|other| !linked.contains(&format!("{folder}{other}"))).collect();
        assert!(missing.is_empty(), "{page} leads to none of {missing:?}");
    }
}

#[test]
fn anchors_are_those_of_github_and_mdbook() {
    let anchors = anchors("# `plan --requests`\n## What's it?\n## A\n## A\n### junit.xml\n");
    let expected = ["a", "a-1", "junitxml", "plan---requests", "whats-it"];
    assert_eq!(anchors.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}
