"""boto3 against API Gateway, both kinds: an API is made by hand, and answers over HTTP."""

import json
import os
import urllib.error
import urllib.request

import boto3

from check import equal, fails, zipped

endpoint = os.environ["AWS_ENDPOINT_URL"]
functions, rest, http = boto3.client("lambda"), boto3.client("apigateway"), boto3.client("apigatewayv2")
HANDLER = """
import json

def handle(event, context):
    method = event.get("httpMethod") or event["requestContext"]["http"]["method"]
    return {"statusCode": 200, "body": json.dumps({"method": method, "id": (event.get("pathParameters") or {}).get("id")})}
"""
arn = functions.create_function(
    FunctionName="answer",
    Runtime="python3.11",
    Role="arn:aws:iam::000000000000:role/any",
    Handler="index.handle",
    Code={"ZipFile": zipped(index__py=HANDLER)},
)["FunctionArn"]
functions.add_permission(FunctionName="answer", StatementId="gateway", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com")
functions.get_waiter("function_active_v2").wait(FunctionName="answer")


def get(path, method="GET", data=None):
    try:
        answer = urllib.request.urlopen(urllib.request.Request(endpoint + path, data=data, method=method))
        return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


# The old kind: resources, methods, integrations, a deployment, a stage.
api = rest.create_rest_api(name="old")["id"]
root = rest.get_resources(restApiId=api)["items"][0]["id"]
notes = rest.create_resource(restApiId=api, parentId=root, pathPart="notes")["id"]
one = rest.create_resource(restApiId=api, parentId=notes, pathPart="{id}")["id"]
rest.put_method(restApiId=api, resourceId=one, httpMethod="GET", authorizationType="NONE")
fails("NotFoundException", rest.get_integration, restApiId=api, resourceId=one, httpMethod="GET")
uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations"
rest.put_integration(restApiId=api, resourceId=one, httpMethod="GET", type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
rest.create_deployment(restApiId=api, stageName="prod")
status, body = get(f"/_aws/execute-api/{api}/prod/notes/a%20b")
equal((status, json.loads(body)), (200, {"method": "GET", "id": "a b"}))
equal(get(f"/_aws/execute-api/{api}/prod/nothing"), (403, '{"message":"Missing Authentication Token"}'))

# The new kind: routes and integrations, and a stage that deploys by itself.
made = http.create_api(Name="new", ProtocolType="HTTP")
integration = http.create_integration(ApiId=made["ApiId"], IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion="2.0")
target = f"integrations/{integration['IntegrationId']}"
http.create_route(ApiId=made["ApiId"], RouteKey="POST /notes/{id}", Target=target)
http.create_stage(ApiId=made["ApiId"], StageName="$default", AutoDeploy=True)
status, body = get(f"/_aws/execute-api/{made['ApiId']}/notes/7", "POST", b"{}")
equal((status, json.loads(body)), (200, {"method": "POST", "id": "7"}))
equal(get(f"/_aws/execute-api/{made['ApiId']}/notes/7"), (404, '{"message":"Not Found"}'))
equal([found["RouteKey"] for found in http.get_routes(ApiId=made["ApiId"])["Items"]], ["POST /notes/{id}"])

http.delete_api(ApiId=made["ApiId"])
rest.delete_rest_api(restApiId=api)
fails("NotFoundException", rest.get_rest_api, restApiId=api)
equal((rest.get_rest_apis()["items"], http.get_apis()["Items"]), ([], []))
print("ok")
