"""The documented requests with Python's requests."""

import sys
from datetime import datetime

import requests

server, key, token = sys.argv[1:]
bearer = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
accounts = f"{server}/ExternalAccount/{key}"


def call(method, url, status=200, **more):
    answer = requests.request(method, url, timeout=30, **more)
    body = answer.json()
    assert answer.status_code == status == body["code"], (method, url, body)
    assert (status == 200) == (body["error"] == ""), body
    return body["data"]


account = {"unionID": "python_1", "platform": "wechat", "platformName": "微信", "data": '{"a":1}'}
assert call("post", accounts, headers=bearer, json=account) is True

(listed,) = call("get", accounts, headers=bearer, params={"userId": 0})
assert type(listed["id"]) is int and type(listed["userID"]) is int, listed
assert listed["avatar"] is None and listed["data"] == '{"a":1}' and listed["enable"] is True, listed
for date in (listed["createDate"], listed["lastUpdate"]):
    assert datetime.fromisoformat(date).utcoffset() is not None, date

identity = {"unionID": "python_1", "platform": "wechat"}
assert type(call("POST", accounts + "/SignIn", json=identity)["expires_in"]) is int

one = f"{accounts}/{listed['id']}"
assert call("put", one, headers=bearer, json={"enable": False}) is True
assert call("POST", accounts + "/SignIn", status=401, json=identity) is None
assert call("PUT", one, headers=bearer, data='{"enable": true}') is True
call("POST", accounts + "/SignIn", json=identity)
assert call("delete", one, headers=bearer) is True
assert call("DELETE", one, status=404, headers=bearer) is None
setup = call("GET", f"{server}/User/{key}/TwoFactorAuth", headers=bearer)
assert setup.keys() == {"account", "manualEntryKey", "qrCodeSetupImageUrl"}, setup
wrong = {"enable": True, "twoFactorCode": "000000"}
assert call("put", f"{server}/User/{key}/TwoFactorAuth", status=401, headers=bearer, json=wrong) is None
