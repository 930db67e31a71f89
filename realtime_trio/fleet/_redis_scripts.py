"""The Lua scripts of ``RedisLog``: one for each operation, so that each is atomic.

Those of a writer begin with the fence: they change nothing unless the session has the token and the
nonce of the claim. "GONE" means that Redis has lost the claim, "FENCED" that a later claim exists.
"""

from __future__ import annotations

from typing import Final

__all__ = ["SCRIPTS"]

_FENCE: Final = """
local own = redis.call('HMGET', KEYS[1], 'token', 'nonce', 'pos')
local pos = tonumber(own[3] or '0')
local gone = not own[1] or tonumber(own[1]) < tonumber(ARGV[1])
if not gone and (own[1] ~= ARGV[1] or own[2] ~= ARGV[2]) then return 'FENCED' end
"""
_FENCED: Final = f"{_FENCE}\nif gone then return 'GONE' end\n"
_NOW: Final = """
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
"""

_CREATE: Final = f"""{_NOW}
if redis.call('HSETNX', KEYS[1], 'spec', ARGV[2]) == 0 then return 0 end
redis.call('PERSIST', KEYS[1])
redis.call('HSETNX', KEYS[1], 'token', '0')
redis.call('HSETNX', KEYS[1], 'pos', '0')
redis.call('HSETNX', KEYS[1], 'clean', '1')
redis.call('HSETNX', KEYS[1], 'epoch', ARGV[3])
redis.call('ZADD', KEYS[2], now, ARGV[1])
return 1
"""
# The token stays for a while, so that nodes which hold the session lose it, also if it is created
# again. A claim that Redis does not know at all is one that it has lost.
_REMOVE: Final = """
local token = redis.call('HGET', KEYS[1], 'token')
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5])
redis.call('ZREM', KEYS[6], ARGV[1])
if token then
  redis.call('HSET', KEYS[1], 'token', token)
  redis.call('HINCRBY', KEYS[1], 'token', 1)
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 'OK'
"""
_CLAIM: Final = f"""{_NOW}
redis.call('PERSIST', KEYS[1])
redis.call('HSETNX', KEYS[1], 'pos', '0')
redis.call('HSETNX', KEYS[1], 'clean', '1')
redis.call('HSETNX', KEYS[1], 'epoch', ARGV[3])
redis.call('HSET', KEYS[1], 'nonce', ARGV[2])
redis.call('ZADD', KEYS[2], now, ARGV[1])
return redis.call('HINCRBY', KEYS[1], 'token', 1)
"""
_SEIZE: Final = """
local token = redis.call('HGET', KEYS[1], 'token')
if token ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'nonce', ARGV[2], 'node', ARGV[3])
return redis.call('HINCRBY', KEYS[1], 'token', 1)
"""
_RELEASE: Final = f"{_FENCED}\nredis.call('HSET', KEYS[1], 'node', '')\nreturn 'OK'\n"
_BEAT: Final = f"{_FENCED}\nreturn 'OK'\n"
_CLOSE: Final = f"{_FENCED}\nredis.call('HSET', KEYS[1], 'clean', '1')\nreturn 'OK'\n"
_APPEND: Final = f"""{_FENCED}
if pos ~= tonumber(ARGV[3]) - 1 then return 'POSITION' end
for i = 4, #ARGV, 2 do
  redis.call('XADD', KEYS[2], ARGV[i] .. '-0', 'b', ARGV[i + 1])
  pos = ARGV[i]
end
redis.call('HSET', KEYS[1], 'pos', pos, 'clean', '0')
return 'OK'
"""
_SNAPSHOT: Final = f"{_FENCED}\nredis.call('HSET', KEYS[2], ARGV[3], ARGV[4])\nreturn 'OK'\n"
# A jump also continues a log that Redis has lost completely or in part, with a new epoch.
_GAP: Final = f"""{_FENCE}
local first, last = tonumber(ARGV[3]), ARGV[4]
local gaps = {{}}
if gone then
  redis.call('DEL', KEYS[2], KEYS[3])
  redis.call('HSET', KEYS[1], 'token', ARGV[1], 'nonce', ARGV[2], 'node', ARGV[8],
    'spec', ARGV[9], 'first', '1')
  redis.call('ZADD', KEYS[4], 0, ARGV[10])
  first = 1
else
  local text = redis.call('HGET', KEYS[1], 'gaps')
  if text then gaps = cjson.decode(text) end
end
if gone or pos < first - 1 then
  redis.call('HSET', KEYS[1], 'epoch', ARGV[7])
  first = math.min(first, pos + 1)
end
local old = redis.call('XRANGE', KEYS[2], string.format('%.0f-0', first), '+')
for _, entry in ipairs(old) do redis.call('XDEL', KEYS[2], entry[1]) end
for _, at in ipairs(redis.call('HKEYS', KEYS[3])) do
  if tonumber(at) >= first then redis.call('HDEL', KEYS[3], at) end
end
local kept = {{}}
for _, gap in ipairs(gaps) do if gap[1] < first then table.insert(kept, gap) end end
table.insert(kept, {{first, tonumber(last), ARGV[5]}})
redis.call('XADD', KEYS[2], last .. '-1', 'g', ARGV[5])
redis.call('HSET', KEYS[1], 'pos', last, 'clean', '0', 'gaps', cjson.encode(kept))
if ARGV[6] ~= '' then redis.call('HSET', KEYS[3], last, ARGV[6]) end
return 'OK'
"""
_TRIM: Final = f"""{_FENCED}
local at = redis.call('HKEYS', KEYS[3])
table.sort(at, function(a, b) return tonumber(a) > tonumber(b) end)
local base = at[tonumber(ARGV[3])] or at[#at]
if not base then return 'OK' end
for i = tonumber(ARGV[3]) + 1, #at do redis.call('HDEL', KEYS[3], at[i]) end
local first = string.format('%.0f', tonumber(base) + 1)
redis.call('XTRIM', KEYS[2], 'MINID', first .. '-0')
local kept = {{}}
local text = redis.call('HGET', KEYS[1], 'gaps')
for _, gap in ipairs(text and cjson.decode(text) or {{}}) do
  if gap[2] > tonumber(base) then table.insert(kept, gap) end
end
redis.call('HSET', KEYS[1], 'first', first)
if #kept > 0 then redis.call('HSET', KEYS[1], 'gaps', cjson.encode(kept))
else redis.call('HDEL', KEYS[1], 'gaps') end
return 'OK'
"""
_SEATS: Final = """
local found = {}
for _, name in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local own = redis.call('HMGET', ARGV[1] .. name .. ':own', 'node', 'token', 'spec')
  if own[3] then table.insert(found, {name, own[1] or '', own[2] or '0', own[3]}) end
end
return found
"""
_NODE: Final = f"""{_NOW}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 60000000)
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
return 'OK'
"""
_NODES: Final = f"{_NOW}\nreturn redis.call('ZRANGEBYSCORE', KEYS[1], now, '+inf')\n"
# Numbers keep growing even if Redis has lost some: a number is at least the current time.
_COMMAND: Final = f"""{_NOW}
local own = redis.call('HMGET', KEYS[1], 'spec', 'pos', 'command')
if not own[1] then return 'NONE' end
local known = redis.call('HGET', KEYS[3], ARGV[1])
if known then
  local entry = redis.call('XRANGE', KEYS[2], known .. '-0', known .. '-0')[1]
  if entry then return {{known, entry[2][8]}} end
end
if redis.call('XLEN', KEYS[2]) >= tonumber(ARGV[4]) then return 'FULL' end
local number = string.format('%.0f', math.max(now, tonumber(own[3] or '0') + 1))
redis.call('XADD', KEYS[2], number .. '-0', 'key', ARGV[1], 'kind', ARGV[2],
  'frame', ARGV[3], 'pos', own[2] or '0')
redis.call('HSET', KEYS[1], 'command', number)
redis.call('HSET', KEYS[3], ARGV[1], number)
return {{number, own[2] or '0'}}
"""
_FORGET: Final = f"""{_FENCED}
local keep = tonumber(ARGV[4])
while redis.call('XLEN', KEYS[2]) > keep do
  local entry = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
  local number = tonumber(string.match(entry[1], '^%d+'))
  if number > tonumber(ARGV[3]) then break end
  redis.call('XDEL', KEYS[2], entry[1])
  redis.call('HDEL', KEYS[3], entry[2][2])
end
return 'OK'
"""

SCRIPTS: Final = {
    "append": _APPEND,
    "beat": _BEAT,
    "claim": _CLAIM,
    "close": _CLOSE,
    "command": _COMMAND,
    "create": _CREATE,
    "forget": _FORGET,
    "gap": _GAP,
    "node": _NODE,
    "nodes": _NODES,
    "release": _RELEASE,
    "remove": _REMOVE,
    "seats": _SEATS,
    "seize": _SEIZE,
    "snapshot": _SNAPSHOT,
    "trim": _TRIM,
}
