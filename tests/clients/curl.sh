#!/usr/bin/env bash
# The documented requests with curl; methods partly in lower case, as people type them.
set -euo pipefail
server="$1" key="$2" token="$3"
json='Content-Type: application/json'
bearer="Authorization: Bearer $token"

expect() {
  if [[ "$2" != *"$1"* ]]; then
    echo "expected $1 in: $2" >&2
    exit 1
  fi
}

call() {
  curl --silent --show-error --write-out ' HTTP %{http_code}' "$@"
}

bound="$(call -X POST "$server/ExternalAccount/$key" -H "$bearer" -H "$json" \
  -d '{"unionID":"curl-1","platform":"wechat","platformName":"微信","avatar":"","data":""}')"
expect '{"code":200,"data":true,"error":""} HTTP 200' "$bound"

list="$(call -X get "$server/ExternalAccount/$key?userId=0" -H "$bearer" -H "$json")"
expect '"unionID":"curl-1","avatar":null,"data":null,"enable":true,"createDate":"' "$list"
id="$(sed -E 's/.*"id":([0-9]+),.*/\1/' <<<"$list")"

identity='{"unionID":"curl-1","platform":"wechat","twoFactorCode":""}'
expect '"token_type":"Bearer","expires_in":86400' "$(call -X post "$server/ExternalAccount/$key/SignIn" -H "$json" -d "$identity")"

off="$(call -X put "$server/ExternalAccount/$key/$id?userId=0" -H "$bearer" -H "$json" -d '{"avatar":"a.png","enable":false}')"
expect '{"code":200,"data":true,"error":""} HTTP 200' "$off"
refused="$(call -X POST "$server/ExternalAccount/$key/SignIn" -H "$json" -H 'Authorization: Bearer ' -d "$identity")"
expect '"code":401,"data":null' "$refused"
expect 'HTTP 401' "$refused"

expect '"data":true' "$(call -X delete "$server/ExternalAccount/$key/$id" -H "$bearer" -H "$json")"
expect 'HTTP 404' "$(call -X DELETE "$server/ExternalAccount/$key/$id" -H "$bearer")"
expect '"qrCodeSetupImageUrl":"data:image/svg+xml;' "$(call -X GET "$server/User/$key/TwoFactorAuth" -H "$bearer")"
