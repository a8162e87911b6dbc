#!/usr/bin/env bash
# The AWS CLI against every service: its own way to send files, wait, page and print.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# equal <expected> <command...>: what a command prints.
equal() {
  local expected=$1 actual
  shift
  actual=$("$@")
  if [[ "$actual" != "$expected" ]]; then
    printf 'expected %s\n     got %s\nfrom %s\n' "$expected" "$actual" "$*" >&2
    exit 1
  fi
}

# fails <error code> <command...>: the code in what the CLI says.
fails() {
  local code=$1 said
  shift
  if said=$("$@" 2>&1); then
    printf 'should have failed: %s\n' "$*" >&2
    exit 1
  fi
  [[ "$said" == *"($code)"* ]] || { printf 'expected %s, got %s\n' "$code" "$said" >&2; exit 1; }
}

equal 000000000000 aws sts get-caller-identity --query Account --output text

mkdir -p up/deep
echo one > up/one.txt
echo two > "up/deep/two words.txt"
aws s3 mb s3://files > /dev/null
aws s3 sync up s3://files/kept --only-show-errors
equal $'kept/deep/two words.txt\tkept/one.txt' aws s3api list-objects-v2 --bucket files --query 'Contents[].Key' --output text
aws s3 cp s3://files/kept down --recursive --only-show-errors
equal two cat "down/deep/two words.txt"
fails NoSuchBucket aws s3api list-objects-v2 --bucket elsewhere
aws s3 rb s3://files --force > /dev/null

# The first version of the CLI reads AWS_ENDPOINT_URL for every service but this one.
sqs=(aws sqs --endpoint-url "$AWS_ENDPOINT_URL")
url=$("${sqs[@]}" create-queue --queue-name jobs --query QueueUrl --output text)
topic=$(aws sns create-topic --name news --query TopicArn --output text)
aws sns subscribe --topic-arn "$topic" --protocol sqs --notification-endpoint arn:aws:sqs:us-east-1:000000000000:jobs > /dev/null
aws sns publish --topic-arn "$topic" --message hello > /dev/null
"${sqs[@]}" receive-message --queue-url "$url" --wait-time-seconds 10 --query 'Messages[0].Body' --output text > body.json
equal hello python3 -c 'import json; print(json.load(open("body.json"))["Message"])'

aws dynamodb create-table --table-name people --billing-mode PAY_PER_REQUEST \
  --attribute-definitions AttributeName=id,AttributeType=S --key-schema AttributeName=id,KeyType=HASH > /dev/null
aws dynamodb wait table-exists --table-name people
aws dynamodb put-item --table-name people --item '{"id": {"S": "a"}, "age": {"N": "41"}}'
equal 41 aws dynamodb get-item --table-name people --key '{"id": {"S": "a"}}' --query Item.age.N --output text
fails ConditionalCheckFailedException aws dynamodb put-item --table-name people --item '{"id": {"S": "a"}}' --condition-expression 'attribute_not_exists(id)'

cat > template.yml <<'END'
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      RoleName: !Sub "${AWS::StackName}-role"
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Principal: { Service: lambda.amazonaws.com }
            Action: sts:AssumeRole
  Group:
    Type: AWS::Logs::LogGroup
    Properties: { LogGroupName: !Join [/, ["", app, !Ref Role]] }
Outputs:
  Role: { Value: !GetAtt Role.Arn }
END
aws cloudformation deploy --stack-name one --template-file template.yml --capabilities CAPABILITY_NAMED_IAM > /dev/null
role=$(aws cloudformation describe-stacks --stack-name one --query 'Stacks[0].Outputs[0].OutputValue' --output text)
equal arn:aws:iam::000000000000:role/one-role echo "$role"
equal one-role aws iam get-role --role-name one-role --query Role.RoleName --output text
equal /app/one-role aws logs describe-log-groups --query 'logGroups[0].logGroupName' --output text

echo 'exports.handle = async (event) => { console.log("seen", event.a); return event.a * 2; };' > index.js
python3 -m zipfile -c code.zip index.js
aws lambda create-function --function-name double --runtime nodejs20.x --role "$role" --handler index.handle --zip-file fileb://code.zip > /dev/null
aws lambda wait function-active-v2 --function-name double
aws lambda invoke --function-name double --payload '{"a": 21}' out.json > /dev/null
equal 42 cat out.json
fails ResourceNotFoundException aws lambda invoke --function-name nobody out.json
aws logs filter-log-events --log-group-name /aws/lambda/double --query 'events[].message' --output text > log.txt
grep -q 'seen 21' log.txt

rule=$(aws events put-rule --name often --schedule-expression 'rate(5 minutes)' --query RuleArn --output text)
equal arn:aws:events:us-east-1:000000000000:rule/often echo "$rule"
api=$(aws apigatewayv2 create-api --name quick --protocol-type HTTP --query ApiId --output text)
equal quick aws apigatewayv2 get-api --api-id "$api" --query Name --output text
rest=$(aws apigateway create-rest-api --name old --query id --output text)
equal old aws apigateway get-rest-api --rest-api-id "$rest" --query name --output text

aws cloudwatch put-metric-data --namespace Shop --metric-name Orders --value 3 --unit Count
equal Orders aws cloudwatch list-metrics --namespace Shop --query 'Metrics[0].MetricName' --output text
from=$(date -u -d '1 hour ago' +%FT%TZ)
to=$(date -u -d '1 hour' +%FT%TZ)
equal 3.0 aws cloudwatch get-metric-statistics --namespace Shop --metric-name Orders --start-time "$from" --end-time "$to" \
  --period 86400 --statistics Sum --query 'Datapoints[0].Sum' --output text
equal 1.0 aws cloudwatch get-metric-statistics --namespace AWS/Lambda --metric-name Invocations --start-time "$from" --end-time "$to" \
  --period 86400 --statistics Sum --dimensions Name=FunctionName,Value=double --query 'Datapoints[0].Sum' --output text

aws cloudformation delete-stack --stack-name one
aws cloudformation wait stack-delete-complete --stack-name one
fails NoSuchEntity aws iam get-role --role-name one-role
echo ok
