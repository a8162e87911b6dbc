//! The resources of the API: a tree of path segments, some of which may exist already.

use super::api;
use super::event::Method;
use crate::aws::context::Context;
use crate::aws::naming;
use crate::aws::values::{display, get};
use aloft_diag::Diagnostic;
use serde_json::{Value, json};
use std::collections::HashMap;

/// The ids and names of the resources, by path.
pub struct Resources {
    by_path: HashMap<String, (Value, String)>,
    root: Value,
}

/// A path in the tree.
#[derive(Clone)]
struct Node {
    path: String,
    part: String,
    parent: Option<usize>,
    children: Vec<usize>,
    level: usize,
    id: Option<Value>,
    has_method: bool,
    is_cut: bool,
}

#[derive(Default)]
struct Tree {
    nodes: Vec<Node>,
    by_path: HashMap<String, usize>,
    roots: Vec<usize>,
    /// Those that exist already, and those with methods, in the order of their appearance.
    existing: Vec<usize>,
    with_method: Vec<usize>,
}

impl Resources {
    /// Adds the resources that are missing.
    pub fn add(context: &mut Context<'_>, methods: &[Method<'_>]) -> Result<Self, Diagnostic> {
        let existing = existing(context);
        let root = context
            .api_gateway()
            .and_then(|settings| get(settings, "restApiRootResourceId"))
            .cloned()
            .unwrap_or_else(|| json!({ "Fn::GetAtt": [naming::REST_API, "RootResourceId"] }));
        let mut resources = Self { by_path: HashMap::new(), root };
        let mut tree = Tree::default();
        for (index, (path, id)) in existing.iter().enumerate() {
            // The original takes all but the first of them for methods.
            tree.insert(path, Some(id), index > 0);
        }
        for method in methods.iter().filter(|method| !method.path.is_empty()) {
            tree.insert(&method.path, None, true);
        }
        let has_id = |path: &str| tree.existing.iter().any(|node| tree.nodes[*node].path == path);
        if !tree.existing.is_empty() && methods.iter().all(|method| has_id(&method.path)) {
            for (path, id) in existing {
                let name = naming::path(&path);
                resources.by_path.insert(path, (id, name));
            }
            return Ok(resources);
        }
        let roots = if tree.existing.is_empty() {
            tree.roots.clone()
        } else {
            tree.below_existing().map_err(|path| {
                context
                    .error(
                        "API_GATEWAY_RESOURCE_ID_REQUIRED",
                        format!("Resource ID for path {path} is required"),
                        "provider.apiGateway.restApiResources",
                    )
                    .help(format!("add the id of `/{path}` to `provider.apiGateway.restApiResources`"))
            })?
        };
        for root in roots {
            resources.add_branch(context, &tree, root);
        }
        Ok(resources)
    }

    fn add_branch(&mut self, context: &mut Context<'_>, tree: &Tree, root: usize) {
        let mut open = vec![root];
        while let Some(index) = open.pop() {
            let node = &tree.nodes[index];
            open.extend(node.children.iter().rev());
            let name = naming::path(&node.path);
            let id = node.id.clone().unwrap_or_else(|| {
                let logical_id = format!("ApiGatewayResource{name}");
                let parent = node
                    .parent
                    .and_then(|parent| self.by_path.get(&tree.nodes[parent].path))
                    .map(|(id, _)| id);
                let resource = json!({
                    "Type": "AWS::ApiGateway::Resource",
                    "Properties": {
                        "ParentId": parent.unwrap_or(&self.root),
                        "PathPart": node.part,
                        "RestApiId": api(context),
                    },
                });
                context.merge(logical_id.clone(), resource);
                json!({ "Ref": logical_id })
            });
            self.by_path.insert(node.path.clone(), (id, name));
        }
    }

    /// The id of the resource of a path.
    pub fn id(&self, context: &Context<'_>, path: &str) -> Result<Value, Diagnostic> {
        if path.is_empty() {
            return Ok(self.root.clone());
        }
        self.by_path.get(path).map(|(id, _)| id.clone()).ok_or_else(|| {
            context
                .error(
                    "API_GATEWAY_RESOURCE_NOT_FOUND",
                    format!("Can not find API Gateway resource from path {path}"),
                    "provider.apiGateway.restApiResources",
                )
                .help("write the paths of `restApiResources` as those of the events, without a slash at the start")
        })
    }

    /// The part of logical ids that stands for a path.
    pub fn name(&self, path: &str) -> String {
        self.by_path.get(path).map(|(_, name)| name.clone()).unwrap_or_default()
    }
}

/// `provider.apiGateway.restApiResources`, a list or a map.
fn existing(context: &Context<'_>) -> Vec<(String, Value)> {
    match context.api_gateway().and_then(|settings| get(settings, "restApiResources")) {
        Some(Value::Array(list)) => list
            .iter()
            .filter_map(|item| {
                Some((display(item.get("path")?), item.get("resourceId").cloned().unwrap_or_default()))
            })
            .collect(),
        Some(Value::Object(map)) => map.iter().map(|(path, id)| (path.clone(), id.clone())).collect(),
        _ => Vec::new(),
    }
}

impl Tree {
    fn insert(&mut self, path: &str, id: Option<&Value>, has_method: bool) {
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut parent: Option<usize> = None;
        let mut current = String::new();
        for (level, part) in path.split('/').enumerate() {
            current = if current.is_empty() { part.to_owned() } else { format!("{current}/{part}") };
            let index = match self.by_path.get(&current) {
                Some(index) => *index,
                None => self.push(&current, part, parent, level),
            };
            parent = Some(index);
        }
        let Some(last) = parent else { return };
        if let Some(id) = id {
            self.nodes[last].id = Some(id.clone());
            if !self.existing.contains(&last) {
                self.existing.push(last);
            }
        }
        if has_method && !self.nodes[last].has_method {
            self.nodes[last].has_method = true;
            self.with_method.push(last);
        }
    }

    fn push(&mut self, path: &str, part: &str, parent: Option<usize>, level: usize) -> usize {
        let index = self.nodes.len();
        self.nodes.push(Node {
            path: path.to_owned(),
            part: part.to_owned(),
            parent,
            children: Vec::new(),
            level,
            id: None,
            has_method: false,
            is_cut: false,
        });
        match parent {
            Some(parent) => self.nodes[parent].children.push(index),
            None => self.roots.push(index),
        }
        self.by_path.insert(path.to_owned(), index);
        index
    }

    fn cut(&mut self, index: usize) {
        let Some(parent) = self.nodes[index].parent else { return };
        if self.nodes[parent].children.len() <= 1 {
            self.nodes[parent].children.clear();
        } else {
            self.nodes[parent].children.retain(|child| *child != index);
            self.nodes[parent].is_cut = true;
        }
        self.nodes[index].parent = None;
    }

    /// The branches that hang on existing resources; the path of one whose id is missing otherwise.
    fn below_existing(&mut self) -> Result<Vec<usize>, String> {
        let mut existing = self.existing.clone();
        existing.sort_by_key(|index| self.nodes[*index].level);
        for mut index in existing.into_iter().rev() {
            while let Some(parent) = self.nodes[index].parent {
                let above = &self.nodes[parent];
                if above.has_method && above.id.is_none() {
                    return Err(above.path.clone());
                }
                if above.id.is_some() || above.children.len() > 1 {
                    self.cut(index);
                    break;
                }
                index = parent;
            }
        }
        let mut branches: Vec<usize> = Vec::new();
        for method in self.with_method.clone() {
            let mut at = Some(method);
            while let Some(index) = at {
                if self.nodes[index].id.is_some() {
                    self.cut(index);
                    let own_path = self.nodes[method].path.clone();
                    if branches.iter().all(|branch| self.nodes[*branch].path != own_path) {
                        branches.push(index);
                    }
                    break;
                }
                let node = &self.nodes[index];
                if node.is_cut || (node.parent.is_none() && node.level > 0) {
                    return Err(node.path.clone());
                }
                if node.parent.is_none() {
                    branches.push(index);
                }
                at = node.parent;
            }
        }
        Ok(branches)
    }
}
