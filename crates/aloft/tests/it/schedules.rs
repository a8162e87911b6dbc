//! What calls functions by itself: EventBridge Scheduler by the cloud's clock, and lines of another function's log.

use super::deploy;
use aloft_testkit::{Project, TempCloud};

const SERVICE: &str = r#"
service: clockwork
provider: { name: aws, runtime: python3.11 }
functions:
  tick:
    handler: app.tick
    events:
      - schedule:
          method: scheduler
          rate: rate(1 minute)
          timezone: Europe/Berlin
          input: { from: clock, at: "<aws.scheduler.scheduled-time>" }
      - schedule:
          method: scheduler
          rate: cron(0 12 * * ? *)
          timezone: Europe/Berlin
          enabled: false
  watch:
    handler: app.watch
    events:
      - cloudwatchLog: { logGroup: /aws/lambda/clockwork-dev-tick, filter: "{ $.from = clock }" }
"#;

const APP: &str = "import base64, gzip, json
def tick(event, context):
    print('an event:')
    print(json.dumps(event))
def watch(event, context):
    sent = json.loads(gzip.decompress(base64.b64decode(event['awslogs']['data'])))
    for line in sent['logEvents']:
        print('saw', json.loads(line['message'])['at'], 'in', sent['logGroup'])
";

/// Waits until the second function has seen so many ticks, which must be minutes apart.
fn seen(cloud: &TempCloud, count: usize) {
    cloud.clients().boto3(&format!(
        r#"
from datetime import datetime
logs = boto3.client("logs")
def seen():
    try:
        events = logs.filter_log_events(logGroupName="/aws/lambda/clockwork-dev-watch")["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return sorted({{event["message"].split()[1] for event in events if event["message"].startswith("saw ")}})
times = [datetime.fromisoformat(time.replace("Z", "+00:00")) for time in eventually(seen, lambda all: len(all) >= {count})]
for sooner, later in zip(times, times[1:]):
    equal((later - sooner).total_seconds() % 60, 0)
"#
    ));
}

#[test]
fn a_schedule_ticks_a_log_is_watched_and_a_kill_stops_neither() {
    let mut cloud = TempCloud::start();
    let project = Project::new(&[("serverless.yml", SERVICE), ("app.py", APP)]);
    deploy(&cloud, &project);
    cloud.clients().boto3(
        r#"
scheduler, logs = boto3.client("scheduler"), boto3.client("logs")
found = sorted(scheduler.get_paginator("list_schedules").paginate().search("Schedules[].[State, Target.Arn]"))
equal([state for state, arn in found], ["DISABLED", "ENABLED"])
names = [one["Name"] for one in scheduler.list_schedules(State="ENABLED")["Schedules"]]
schedule = scheduler.get_schedule(Name=names[0])
equal((schedule["ScheduleExpression"], schedule["ScheduleExpressionTimezone"]), ("rate(1 minute)", "Europe/Berlin"))
equal(json.loads(schedule["Target"]["Input"])["from"], "clock")
equal(schedule["CreationDate"].tzinfo is not None, True)
fails("ResourceNotFoundException", scheduler.get_schedule, Name="none")
fails("ValidationException", scheduler.create_schedule, Name="x", ScheduleExpression="rate(1)", Target=schedule["Target"], FlexibleTimeWindow={"Mode": "OFF"})
group = scheduler.create_schedule_group(Name="night", Tags=[{"Key": "a", "Value": "b"}])["ScheduleGroupArn"]
equal(scheduler.list_tags_for_resource(ResourceArn=group)["Tags"], [{"Key": "a", "Value": "b"}])
scheduler.tag_resource(ResourceArn=group, Tags=[{"Key": "c", "Value": "d"}])
scheduler.untag_resource(ResourceArn=group, TagKeys=["a"])
equal(scheduler.list_tags_for_resource(ResourceArn=group)["Tags"], [{"Key": "c", "Value": "d"}])
scheduler.delete_schedule_group(Name="night")
fails("ConflictException", scheduler.create_schedule_group, Name="default")

group = "/aws/lambda/clockwork-dev-tick"
filters = logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"]
equal([(one["filterPattern"], one["destinationArn"].split(":")[-1]) for one in filters], [("{ $.from = clock }", "clockwork-dev-watch")])
own = dict(logGroupName="/aws/lambda/clockwork-dev-watch", filterName="own", filterPattern="")
fails("InvalidParameterException", logs.put_subscription_filter, destinationArn=filters[0]["destinationArn"], **own)
"#,
    );
    // One at once, one a minute later.
    seen(&cloud, 1);
    cloud.advance(60);
    seen(&cloud, 2);
    // The clock goes back to the machine's time: the next tick is two minutes off.
    cloud.restart();
    cloud.advance(120);
    seen(&cloud, 3);
    cloud.aloft(project.path(), &["remove", "--local"]).success();
    cloud.clients().boto3(r#"equal(boto3.client("scheduler").list_schedules()["Schedules"], [])"#);
}
