//! The table of prices, which is data: `prices.json` beside this file.

use serde::Deserialize;

/// All prices.
#[derive(Debug, Deserialize)]
pub struct Prices {
    /// When they were looked up.
    pub date: String,
    /// Where they hold.
    pub region: String,
    /// The prices, in the order in which a bill shows them.
    pub prices: Vec<Price>,
    /// What a bill made from them leaves out.
    pub not_included: Vec<String>,
}

/// The price of something.
#[derive(Debug, Deserialize)]
pub struct Price {
    /// Its name here.
    pub id: String,
    /// AWS's service.
    pub service: String,
    /// What is counted.
    pub unit: String,
    /// How many dollars `per` of them cost.
    price: f64,
    per: f64,
    /// How many are free in each month, for ever; not what is free for a while.
    #[serde(default)]
    pub free: f64,
    /// Under which name the free amount is shared with other prices.
    pub free_with: Option<String>,
}

impl Prices {
    /// The table that this program was built with.
    pub fn built_in() -> anyhow::Result<Self> {
        Ok(serde_json::from_str(include_str!("prices.json"))?)
    }

    /// What one of them costs, in dollars; nothing for what has no price.
    pub fn one(&self, id: &str) -> f64 {
        self.prices.iter().find(|price| price.id == id).map_or(0.0, Price::one)
    }

    /// What an invocation costs: the request, and its time with this memory.
    pub fn invocation(&self, architecture: &str, memory_mb: f64, billed_ms: f64) -> f64 {
        let gb_seconds = memory_mb / 1024.0 * billed_ms / 1000.0;
        self.one("lambda-requests") + gb_seconds * self.one(&format!("lambda-{architecture}"))
    }
}

impl Price {
    /// What one costs, in dollars.
    pub fn one(&self) -> f64 {
        self.price / self.per
    }
}
