"""boto3 against roles, policies and temporary credentials."""

import json

import boto3

from check import equal, fails

iam, sts = boto3.client("iam"), boto3.client("sts")
equal(sts.get_caller_identity()["Account"], "000000000000")
trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
role = iam.create_role(RoleName="worker", AssumeRolePolicyDocument=json.dumps(trust), Tags=[{"Key": "a", "Value": "b"}])["Role"]
equal(role["Arn"], "arn:aws:iam::000000000000:role/worker")
fails("EntityAlreadyExists", iam.create_role, RoleName="worker", AssumeRolePolicyDocument=json.dumps(trust))
equal(iam.get_role(RoleName="worker")["Role"]["AssumeRolePolicyDocument"], trust)
document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
iam.put_role_policy(RoleName="worker", PolicyName="inline", PolicyDocument=json.dumps(document))
equal(iam.get_role_policy(RoleName="worker", PolicyName="inline")["PolicyDocument"], document)
policy = iam.create_policy(PolicyName="own", PolicyDocument=json.dumps(document))["Policy"]["Arn"]
iam.attach_role_policy(RoleName="worker", PolicyArn=policy)
equal([found["PolicyName"] for found in iam.list_attached_role_policies(RoleName="worker")["AttachedPolicies"]], ["own"])
equal(iam.list_role_policies(RoleName="worker")["PolicyNames"], ["inline"])
fails("DeleteConflict", iam.delete_role, RoleName="worker")

assumed = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="me")
equal(assumed["AssumedRoleUser"]["Arn"], "arn:aws:sts::000000000000:assumed-role/worker/me")
credentials = assumed["Credentials"]
session = boto3.client(
    "sts",
    aws_access_key_id=credentials["AccessKeyId"],
    aws_secret_access_key=credentials["SecretAccessKey"],
    aws_session_token=credentials["SessionToken"],
)
equal(session.get_caller_identity()["Arn"], "arn:aws:sts::000000000000:assumed-role/worker/me")

iam.detach_role_policy(RoleName="worker", PolicyArn=policy)
iam.delete_role_policy(RoleName="worker", PolicyName="inline")
iam.delete_role(RoleName="worker")
fails("NoSuchEntity", iam.get_role, RoleName="worker")
print("ok")
