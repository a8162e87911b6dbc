"""boto3 against tables: the resource's types, conditions, indexes, pages, batches, transactions."""

from decimal import Decimal

import boto3
from boto3.dynamodb.conditions import Attr, Key

from check import equal, fails

client, resource = boto3.client("dynamodb"), boto3.resource("dynamodb")
table = resource.create_table(
    TableName="albums",
    BillingMode="PAY_PER_REQUEST",
    AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in [("artist", "S"), ("year", "N"), ("label", "S")]],
    KeySchema=[{"AttributeName": "artist", "KeyType": "HASH"}, {"AttributeName": "year", "KeyType": "RANGE"}],
    GlobalSecondaryIndexes=[
        {
            "IndexName": "by-label",
            "KeySchema": [{"AttributeName": "label", "KeyType": "HASH"}, {"AttributeName": "year", "KeyType": "RANGE"}],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
)
table.wait_until_exists()
fails("ResourceInUseException", client.create_table, TableName="albums", BillingMode="PAY_PER_REQUEST",
      AttributeDefinitions=[{"AttributeName": "a", "AttributeType": "S"}], KeySchema=[{"AttributeName": "a", "KeyType": "HASH"}])
fails("ResourceNotFoundException", client.get_item, TableName="none", Key={"a": {"S": "x"}})

item = {
    "artist": "ann", "year": 2001, "label": "blue", "price": Decimal("12.50"), "tags": {"a", "b"}, "cover": b"\x00\x01",
    "tracks": [{"name": "one", "seconds": 61}, {"name": "two", "seconds": 62}], "live": False, "note": None,
}
table.put_item(Item=item)
found = table.get_item(Key={"artist": "ann", "year": 2001})["Item"]
equal(bytes(found.pop("cover")), item.pop("cover"))
equal(found, item)
with table.batch_writer() as batch:
    for year in range(2002, 2042):
        batch.put_item(Item={"artist": "bob", "year": year, "label": "red" if year % 2 else "blue", "plays": year - 2000})

answer = table.query(KeyConditionExpression=Key("artist").eq("bob") & Key("year").between(2010, 2012), ScanIndexForward=False)
equal([item["year"] for item in answer["Items"]], [2012, 2011, 2010])
answer = table.query(IndexName="by-label", KeyConditionExpression=Key("label").eq("red"), FilterExpression=Attr("plays").gt(30))
equal([item["year"] for item in answer["Items"]], [2031, 2033, 2035, 2037, 2039, 2041])
equal((answer["Count"], answer["ScannedCount"]), (6, 20))
pages = list(client.get_paginator("scan").paginate(TableName="albums", PaginationConfig={"PageSize": 7}))
equal((len(pages), sum(page["Count"] for page in pages)), (6, 41))

update = dict(Key={"artist": "bob", "year": 2002}, UpdateExpression="SET plays = plays + :n, #n = if_not_exists(#n, :t) REMOVE label",
              ExpressionAttributeNames={"#n": "name"}, ExpressionAttributeValues={":n": 5, ":t": "first"}, ReturnValues="ALL_NEW")
equal(table.update_item(**update)["Attributes"], {"artist": "bob", "year": 2002, "plays": 7, "name": "first"})
error = fails("ConditionalCheckFailedException", table.put_item, Item={"artist": "bob", "year": 2002}, ConditionExpression=Attr("artist").not_exists())
equal(error["Error"]["Message"], "The conditional request failed")
fails("ValidationException", table.query, KeyConditionExpression=Key("year").eq(1))

key = lambda year: {"artist": {"S": "bob"}, "year": {"N": str(year)}}
error = fails("TransactionCanceledException", client.transact_write_items, TransactItems=[
    {"Delete": {"TableName": "albums", "Key": key(2003)}},
    {"ConditionCheck": {"TableName": "albums", "Key": key(1900), "ConditionExpression": "attribute_exists(artist)"}},
])
equal([reason["Code"] for reason in error["CancellationReasons"]], ["None", "ConditionalCheckFailed"])
assert "Item" in client.get_item(TableName="albums", Key=key(2003)), "a transaction that failed changed something"
client.transact_write_items(TransactItems=[
    {"Delete": {"TableName": "albums", "Key": key(2003)}},
    {"Update": {"TableName": "albums", "Key": key(2004), "UpdateExpression": "ADD plays :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}},
])
answer = client.batch_get_item(RequestItems={"albums": {"Keys": [key(2003), key(2004)]}})
equal([item["plays"] for item in answer["Responses"]["albums"]], [{"N": "5"}])
equal(table.delete_item(Key={"artist": "bob", "year": 2004}, ReturnValues="ALL_OLD")["Attributes"]["plays"], 5)
table.delete()
table.wait_until_not_exists()
equal(client.list_tables()["TableNames"], [])
print("ok")
