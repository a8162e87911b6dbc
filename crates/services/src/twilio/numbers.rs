//! The IncomingPhoneNumbers resource: which numbers applications have, and who is told of messages to them.

use super::api::{Answer, Call};
use super::errors::Refusal;
use super::form::Form;
use super::messages::{date, is_number, is_web_address};
use super::rows::{self, Account, NUMBERS, Number};
use crate::storage::Fault;
use aloft_engine::Context;
use aloft_store::key;
use http::{Method, StatusCode};
use serde_json::{Value, json};

pub(super) async fn all(call: &Call<'_>) -> Answer {
    match call.method {
        Method::GET => {
            let wanted = call.form.text("PhoneNumber").map(|text| text.trim_matches('*'));
            let found = rows::numbers(&call.context.store().read()?)?.into_iter();
            let found = found.filter(|number| wanted.is_none_or(|part| number.number.contains(part)));
            let items: Vec<Value> = found.map(|number| shown(&call.account, &number)).collect();
            let uri = format!("{}/IncomingPhoneNumbers.json", call.base());
            Ok((StatusCode::OK, call.page().show(&uri, "", "incoming_phone_numbers", &items)))
        }
        Method::POST => create(call).await,
        _ => Err(Refusal::not_allowed()),
    }
}

pub(super) async fn one(call: &Call<'_>, sid: &str) -> Answer {
    let found = rows::numbers(&call.context.store().read()?)?.into_iter().find(|number| number.sid == sid);
    let mut number = found.ok_or_else(|| call.not_found())?;
    match call.method {
        Method::GET => Ok((StatusCode::OK, shown(&call.account, &number))),
        Method::POST => {
            settings(&mut number, &call.form)?;
            save(call.context, &mut number).await?;
            Ok((StatusCode::OK, shown(&call.account, &number)))
        }
        Method::DELETE => {
            delete(call.context, number.number).await?;
            Ok((StatusCode::NO_CONTENT, Value::Null))
        }
        _ => Err(Refusal::not_allowed()),
    }
}

async fn create(call: &Call<'_>) -> Answer {
    let area = call.form.text("AreaCode").filter(|area| area.len() == 3 && area.parse::<u16>().is_ok());
    let text = match (call.form.text("PhoneNumber"), area) {
        (Some(text), _) => text.to_owned(),
        (None, Some(area)) => format!("+1{area}555{:04}", call.context.ids().below(10_000)),
        (None, None) => String::new(),
    };
    if !is_number(&text) {
        return Err(Refusal::new(21421, "PhoneNumber is invalid"));
    }
    if rows::number(&call.context.store().read()?, &text)?.is_some() {
        return Err(Refusal::new(21422, format!("{text} is not available")));
    }
    let mut number = new(call.context, &text);
    settings(&mut number, &call.form)?;
    save(call.context, &mut number).await?;
    Ok((StatusCode::CREATED, shown(&call.account, &number)))
}

/// A number that nobody has.
pub(super) fn new(context: &Context, number: &str) -> Number {
    let now = context.now();
    Number {
        sid: format!("PN{}", context.ids().hex(32)),
        number: number.to_owned(),
        friendly_name: number.to_owned(),
        sms_url: String::new(),
        sms_method: "POST".to_owned(),
        sms_fallback_url: String::new(),
        sms_fallback_method: "POST".to_owned(),
        created: now,
        updated: now,
    }
}

/// Takes over what a form says of a number.
fn settings(number: &mut Number, form: &Form) -> Result<(), Refusal> {
    let address = |name: &str, into: &mut String| match form.value(name) {
        Some(url) if !url.is_empty() && !is_web_address(url) => {
            Err(Refusal::new(21502, format!("{name} is not valid: {url}")))
        }
        Some(url) => {
            url.clone_into(into);
            Ok(())
        }
        None => Ok(()),
    };
    address("SmsUrl", &mut number.sms_url)?;
    address("SmsFallbackUrl", &mut number.sms_fallback_url)?;
    let method = |name: &str, into: &mut String| match form.text(name) {
        Some(method @ ("GET" | "POST")) => {
            method.clone_into(into);
            Ok(())
        }
        Some(other) => Err(Refusal::new(21403, format!("{name} is not valid: {other}"))),
        None => Ok(()),
    };
    method("SmsMethod", &mut number.sms_method)?;
    method("SmsFallbackMethod", &mut number.sms_fallback_method)?;
    if let Some(name) = form.text("FriendlyName") {
        name.clone_into(&mut number.friendly_name);
    }
    if let Some(other) = form.names().find(|name| name.starts_with("Sms") && name.ends_with("Sid")) {
        return Err(Refusal::not_built(other));
    }
    Ok(())
}

/// Keeps a number, with the settings that it has now.
pub(super) async fn save(context: &Context, number: &mut Number) -> Result<(), Refusal> {
    number.updated = context.now();
    let row = number.clone();
    let write = context.store().write(move |transaction| {
        transaction.put_json(NUMBERS, key([row.number.as_str()]), &row)?;
        Ok::<_, Fault>(())
    });
    Ok(write.await?)
}

pub(super) async fn delete(context: &Context, number: String) -> Result<(), Refusal> {
    let write = context.store().write(move |transaction| {
        transaction.delete(NUMBERS, key([number.as_str()]));
        Ok::<_, Fault>(())
    });
    Ok(write.await?)
}

fn shown(account: &Account, number: &Number) -> Value {
    json!({
        "account_sid": account.sid,
        "api_version": "2010-04-01",
        "beta": false,
        "capabilities": { "fax": false, "mms": true, "sms": true, "voice": false },
        "date_created": date(number.created),
        "date_updated": date(number.updated),
        "friendly_name": number.friendly_name,
        "origin": "twilio",
        "phone_number": number.number,
        "sid": number.sid,
        "sms_application_sid": "",
        "sms_fallback_method": number.sms_fallback_method,
        "sms_fallback_url": number.sms_fallback_url,
        "sms_method": number.sms_method,
        "sms_url": number.sms_url,
        "status": "in-use",
        "uri": format!("{}/IncomingPhoneNumbers/{}.json", super::api::base(account), number.sid),
    })
}
