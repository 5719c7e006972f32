"""glewlwyd over SQLite, as Debian packages it. Its passwords are PBKDF2: over SQLite it knows nothing else."""

import http.client
import json
import os
import pathlib
import sqlite3
import subprocess
import time

PORT = int(os.environ["PORT"])
PASSWORD = os.environ["PEER_PASSWORD"]
NAMES = [f"user{number}" for number in range(int(os.environ["PEER_USERS"]))]
DATA = pathlib.Path(os.environ["PEER_DATA"]).resolve()
SCHEMA = pathlib.Path("/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3")
CONFIG = """
port = {port}
bind_address = "127.0.0.1"
external_url = "http://127.0.0.1:{port}"
login_url = "login.html"
api_prefix = "api"
static_files_path = "{data}"
log_mode = "file"
log_level = "NONE"
log_file = "{data}/glewlwyd.log"
cookie_domain = ""
cookie_secure = 0
session_expiration = 2419200
session_key = "GLEWLWYD2_SESSION_ID"
admin_session_authentication = "cookie"
profile_session_authentication = "cookie"
login_api_enabled = true
admin_scope = "g_admin"
profile_scope = "g_profile"
user_module_path = "/usr/lib/glewlwyd/user"
user_middleware_module_path = "/usr/lib/glewlwyd/user_middleware"
client_module_path = "/usr/lib/glewlwyd/client"
user_auth_scheme_module_path = "/usr/lib/glewlwyd/scheme"
plugin_module_path = "/usr/lib/glewlwyd/plugin"
use_secure_connection = false
secure_connection_key_file = "{data}/none"
secure_connection_pem_file = "{data}/none"
secure_connection_ca_file = "{data}/none"
hash_algorithm = "SHA512"
database = {{ type = "sqlite3"; path = "{database}"; }};
"""


def post(path, body, cookie=""):
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=20)
    connection.request("POST", path, json.dumps(body), {"content-type": "application/json", "cookie": cookie})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{path}: {answer.status} {text!r}")
    return "; ".join(it.split(";")[0] for it in answer.headers.get_all("set-cookie", []))


def sign_in(name, password):
    return post("/api/auth/", {"username": name, "password": password})


def wait_until_it_serves():
    for _ in range(200):
        try:
            http.client.HTTPConnection("127.0.0.1", PORT, timeout=5).connect()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("glewlwyd does not serve")


database = DATA / "glewlwyd.db"
with sqlite3.connect(database) as connection:
    connection.executescript(SCHEMA.read_text())
    connection.execute("PRAGMA journal_mode = WAL")
(DATA / "glewlwyd.conf").write_text(CONFIG.format(port=PORT, data=DATA, database=database))
server = subprocess.Popen(["glewlwyd", f"--config-file={DATA}/glewlwyd.conf"], stdout=subprocess.DEVNULL)
wait_until_it_serves()
admin = sign_in("admin", "password")
for name in NAMES:
    user = {"username": name, "name": name, "email": f"{name}@example.com", "password": PASSWORD, "scope": ["g_profile"], "enabled": True}
    post("/api/user/", user, admin)
version = subprocess.run(["dpkg-query", "-f", "${Version}", "-W", "glewlwyd"], capture_output=True, text=True, check=False)
line = {
    "version": version.stdout,
    "sign-in": [
        [{
            "method": "POST", "path": "/api/auth/", "headers": {"content-type": "application/json"},
            "body": json.dumps({"username": name, "password": PASSWORD}), "take": {"cookie": "cookies"},
        }]
        for name in NAMES
    ],
    "read": [
        [{"method": "GET", "path": "/api/profile_list", "headers": {"cookie": sign_in(name, PASSWORD)}, "expect": name}]
        for name in NAMES
    ],
}
print(json.dumps(line), flush=True)
server.wait()
