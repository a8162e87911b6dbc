//! `ProjectionExpression`: the parts of an item that a reader wants.

use super::parser::{Parser, Rank};
use super::path::{Path, check_disjoint, select};
use super::{ExpressionError, Item, Used};

/// A parsed projection.
#[derive(Clone, Debug)]
pub struct Projection {
    paths: Vec<Path>,
    used: Used,
}

impl Projection {
    /// Parses a `ProjectionExpression`; `names` maps `#x` to strings.
    ///
    /// # Errors
    /// With the service's message, which begins with `Invalid ProjectionExpression:`.
    pub fn parse(text: &str, names: &Item) -> Result<Self, ExpressionError> {
        let values = Item::new();
        let mut parser = Parser::new("ProjectionExpression", text, names, &values)?;
        let mut paths = vec![parser.path()?];
        while parser.eat(",") {
            paths.push(parser.path()?);
        }
        if let Some(problem) = check_disjoint(&paths.iter().collect::<Vec<_>>()) {
            parser.note(Rank::Path, problem);
        }
        parser.finish()?;
        Ok(Self { paths, used: parser.used })
    }

    /// The item's parts, in the order of the expression; list elements keep their order and close up.
    pub fn project(&self, item: &Item) -> Item {
        select(item, &self.paths)
    }

    /// The paths.
    pub fn paths(&self) -> &[Path] {
        &self.paths
    }

    /// The placeholders that it uses, for [`super::check_all_used`].
    pub fn used(&self) -> &Used {
        &self.used
    }
}
