//! Resources: the tree of an API's paths. A resource's methods are in its document.

use super::errors::{bad_request, conflict, not_found};
use super::parts::{self, page_of, place};
use super::{ApiGateway, DOCUMENTS, patch};
use crate::gateway::documents::{list as texts, text};
use crate::gateway::resources::new_id;
use crate::gateway::{Document, Place};
use crate::storage::{Outcome, Rows};
use aloft_engine::{Context, ServiceError};
use serde_json::{Map, Value};

/// A resource, which must be there.
pub(super) fn find(rows: &impl Rows, place: &Place, id: &str) -> Outcome<Document> {
    parts::api(rows, place)?;
    let found = DOCUMENTS.get(rows, place, "resource", id)?;
    found.ok_or_else(|| not_found("Invalid Resource identifier specified"))
}

fn is_variable(part: &str) -> bool {
    part.starts_with('{') && part.ends_with('}')
}

fn check_part(part: &str) -> Outcome<()> {
    let name = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
    let name = name.map_or(part, |name| name.strip_suffix('+').unwrap_or(name));
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:@$!*'(),;=~%&".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_allowed) {
        return Err(bad_request(
            "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the beginning and the end.",
        ));
    }
    Ok(())
}

/// A new path part must be the only one of its kind among its siblings.
fn check_siblings(siblings: &[Document], parent: &str, own: &str, part: &str) -> Outcome<()> {
    for sibling in siblings {
        if text(sibling, "parentId") != parent || text(sibling, "id") == own {
            continue;
        }
        let other = text(sibling, "pathPart");
        if other == part {
            return Err(conflict(format!(
                "Another resource with the same parent already has this name: {part}"
            )));
        }
        if is_variable(other) && is_variable(part) && other.ends_with("+}") == part.ends_with("+}") {
            return Err(bad_request(format!(
                "A sibling ({other}) of this resource already has a variable path part -- only one is allowed"
            )));
        }
    }
    Ok(())
}

fn child_path(parent: &Document, part: &str) -> String {
    format!("{}/{part}", text(parent, "path").trim_end_matches('/'))
}

pub(super) async fn create(
    _: &ApiGateway,
    context: &Context,
    mut input: Document,
) -> Result<Value, ServiceError> {
    let place = place(context, &input);
    let id = new_id(context, &mut input, 6);
    let within = place.clone();
    let created = DOCUMENTS.change(context, &place, move |transaction| {
        let (parent_id, part) = (text(&input, "parentId"), text(&input, "pathPart"));
        let parent = find(transaction, &within, parent_id)?;
        if let Some(known) = DOCUMENTS.get(transaction, &within, "resource", &id)? {
            return Ok(known);
        }
        check_part(part)?;
        if text(&parent, "pathPart").ends_with("+}") {
            return Err(bad_request(format!(
                "Cannot create a child of a resource with a greedy path variable: {}",
                text(&parent, "path")
            )));
        }
        check_siblings(&DOCUMENTS.list(transaction, &within, "resource")?, parent_id, &id, part)?;
        let mut document = Map::new();
        document.insert("id".to_owned(), id.as_str().into());
        document.insert("parentId".to_owned(), parent_id.into());
        document.insert("pathPart".to_owned(), part.into());
        document.insert("path".to_owned(), child_path(&parent, part).into());
        DOCUMENTS.put(transaction, &within, "resource", &id, &document)?;
        Ok(document)
    });
    Ok(created.await?.into())
}

/// Methods are shown by name only, unless they are asked for.
fn shown(mut document: Document, input: &Document) -> Document {
    if !texts(input, "embed").iter().any(|embed| embed == "methods")
        && let Some(Value::Object(methods)) = document.get_mut("resourceMethods")
    {
        methods.values_mut().for_each(|method| *method = Map::new().into());
    }
    document
}

pub(super) async fn get(_: &ApiGateway, context: &Context, input: Document) -> Result<Value, ServiceError> {
    parts::read(context, |snapshot| {
        let document = find(snapshot, &place(context, &input), text(&input, "resourceId"))?;
        Ok(shown(document, &input).into())
    })
}

pub(super) async fn list(_: &ApiGateway, context: &Context, input: Document) -> Result<Value, ServiceError> {
    let place = place(context, &input);
    parts::read(context, |snapshot| {
        parts::api(snapshot, &place)?;
        let documents = DOCUMENTS.list(snapshot, &place, "resource")?;
        Ok(page_of(documents.into_iter().map(|document| shown(document, &input)).collect(), &input))
    })
}

pub(super) async fn update(
    _: &ApiGateway,
    context: &Context,
    input: Document,
) -> Result<Value, ServiceError> {
    let place = place(context, &input);
    let within = place.clone();
    let updated = DOCUMENTS.change(context, &place, move |transaction| {
        let id = text(&input, "resourceId");
        let mut document = find(transaction, &within, id)?;
        patch::apply(&mut document, &input, &["pathPart", "parentId"])?;
        let part = text(&document, "pathPart").to_owned();
        check_part(&part)?;
        let mut all = DOCUMENTS.list(transaction, &within, "resource")?;
        check_siblings(&all, text(&document, "parentId"), id, &part)?;
        let parent = find(transaction, &within, text(&document, "parentId"))?;
        let (old, new) = (text(&document, "path").to_owned(), child_path(&parent, &part));
        if format!("{}/", text(&parent, "path")).starts_with(&format!("{old}/")) {
            return Err(bad_request("A resource cannot be moved below itself"));
        }
        document.insert("path".to_owned(), new.as_str().into());
        DOCUMENTS.put(transaction, &within, "resource", id, &document)?;
        // What lies below moves along.
        for below in &mut all {
            if let Some(rest) = text(below, "path").strip_prefix(&format!("{old}/")) {
                let path = format!("{new}/{rest}");
                let below_id = text(below, "id").to_owned();
                below.insert("path".to_owned(), path.into());
                DOCUMENTS.put(transaction, &within, "resource", &below_id, below)?;
            }
        }
        Ok(document)
    });
    Ok(updated.await?.into())
}

pub(super) async fn delete(_: &ApiGateway, context: &Context, input: Document) -> Result<(), ServiceError> {
    let place = place(context, &input);
    let within = place.clone();
    DOCUMENTS
        .change(context, &place, move |transaction| {
            let document = find(transaction, &within, text(&input, "resourceId"))?;
            if text(&document, "parentId").is_empty() {
                return Err(bad_request("Root resource can not be deleted"));
            }
            let path = text(&document, "path");
            for other in DOCUMENTS.list(transaction, &within, "resource")? {
                if text(&other, "path") == path || text(&other, "path").starts_with(&format!("{path}/")) {
                    DOCUMENTS.delete(transaction, &within, "resource", text(&other, "id"));
                }
            }
            Ok(())
        })
        .await
}
