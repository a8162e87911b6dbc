"""boto3 against Parameter Store and Secrets Manager."""

import boto3

from check import equal, fails

ssm, secrets = boto3.client("ssm"), boto3.client("secretsmanager")
equal(ssm.put_parameter(Name="/shop/url", Value="one", Type="String", Tags=[{"Key": "team", "Value": "red"}])["Version"], 1)
fails("ParameterAlreadyExists", ssm.put_parameter, Name="/shop/url", Value="two", Type="String")
equal(ssm.put_parameter(Name="/shop/url", Value="two", Overwrite=True)["Version"], 2)
ssm.put_parameter(Name="/shop/key", Value="secret", Type="SecureString")
equal(ssm.get_parameter(Name="/shop/url:1")["Parameter"]["Value"], "one")
equal(ssm.get_parameter(Name="/shop/key", WithDecryption=True)["Parameter"]["Value"], "secret")
fails("ParameterNotFound", ssm.get_parameter, Name="/shop/none")
pages = ssm.get_paginator("get_parameters_by_path").paginate(Path="/shop", PaginationConfig={"PageSize": 1})
equal([one["Name"] for page in pages for one in page["Parameters"]], ["/shop/key", "/shop/url"])
equal(ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="/shop/url")["TagList"], [{"Key": "team", "Value": "red"}])

made = secrets.create_secret(Name="app/db", SecretString="one")
equal(secrets.get_secret_value(SecretId=made["ARN"])["SecretString"], "one")
secrets.put_secret_value(SecretId="app/db", SecretBinary=b"\x00\x01two")
equal(secrets.get_secret_value(SecretId="app/db")["SecretBinary"], b"\x00\x01two")
equal(secrets.get_secret_value(SecretId="app/db", VersionStage="AWSPREVIOUS")["SecretString"], "one")
equal(len(secrets.get_random_password(PasswordLength=20)["RandomPassword"]), 20)
equal([one["Name"] for one in secrets.list_secrets()["SecretList"]], ["app/db"])
secrets.delete_secret(SecretId="app/db", RecoveryWindowInDays=7)
fails("InvalidRequestException", secrets.get_secret_value, SecretId="app/db")
secrets.restore_secret(SecretId="app/db")
fails("NotImplemented", secrets.rotate_secret, SecretId="app/db")
print("ok")
