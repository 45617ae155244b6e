"""
The scripts that append: entry and link together, in one round trip.

The digest of an entry is made by its writer, who knows the entry before it; only writers of one run
can collide. The chain over all runs has many writers, so its digest is made here, where nobody can
come between: SHA-256 of two digests, about a fifth of a millisecond.
"""

from __future__ import annotations

from typing import Final

_SHA256: Final = """
local bxor, band, bnot, ror, rshift = bit.bxor, bit.band, bit.bnot, bit.ror, bit.rshift
local K = {
0x428a2f98,0x71374491,0xb5c0fbcf,0xe9b5dba5,0x3956c25b,0x59f111f1,0x923f82a4,0xab1c5ed5,
0xd807aa98,0x12835b01,0x243185be,0x550c7dc3,0x72be5d74,0x80deb1fe,0x9bdc06a7,0xc19bf174,
0xe49b69c1,0xefbe4786,0x0fc19dc6,0x240ca1cc,0x2de92c6f,0x4a7484aa,0x5cb0a9dc,0x76f988da,
0x983e5152,0xa831c66d,0xb00327c8,0xbf597fc7,0xc6e00bf3,0xd5a79147,0x06ca6351,0x14292967,
0x27b70a85,0x2e1b2138,0x4d2c6dfc,0x53380d13,0x650a7354,0x766a0abb,0x81c2c92e,0x92722c85,
0xa2bfe8a1,0xa81a664b,0xc24b8b70,0xc76c51a3,0xd192e819,0xd6990624,0xf40e3585,0x106aa070,
0x19a4c116,0x1e376c08,0x2748774c,0x34b0bcb5,0x391c0cb3,0x4ed8aa4a,0x5b9cca4f,0x682e6ff3,
0x748f82ee,0x78a5636f,0x84c87814,0x8cc70208,0x90befffa,0xa4506ceb,0xbef9a3f7,0xc67178f2}
local function compress(hash, w)
  for i = 17, 64 do
    local x, y = w[i - 15], w[i - 2]
    w[i] = (w[i - 16] + w[i - 7] + bxor(ror(x, 7), ror(x, 18), rshift(x, 3))
      + bxor(ror(y, 17), ror(y, 19), rshift(y, 10))) % 4294967296
  end
  local a, b, c, d, e, f, g, h = unpack(hash)
  for i = 1, 64 do
    local t = h + bxor(ror(e, 6), ror(e, 11), ror(e, 25)) + bxor(band(e, f), band(bnot(e), g))
      + K[i] + w[i]
    local u = bxor(ror(a, 2), ror(a, 13), ror(a, 22)) + bxor(band(a, b), band(a, c), band(b, c))
    h, g, f, e, d, c, b, a = g, f, e, (d + t) % 4294967296, c, b, a, (t + u) % 4294967296
  end
  for i, word in ipairs({a, b, c, d, e, f, g, h}) do hash[i] = (hash[i] + word) % 4294967296 end
end
local function sha256_of_two(left, right)
  local hash = {0x6a09e667,0xbb67ae85,0x3c6ef372,0xa54ff53a,
    0x510e527f,0x9b05688c,0x1f83d9ab,0x5be0cd19}
  local text, words, hex = left .. right, {}, {}
  for i = 1, 16 do words[i] = tonumber(string.sub(text, 8 * i - 7, 8 * i), 16) end
  compress(hash, words)
  compress(hash, {0x80000000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 512})
  for i = 1, 8 do hex[i] = bit.tohex(hash[i]) end
  return table.concat(hex)
end
"""

# KEYS: the log, the log over all runs, the keys of the log's effects, its personal values.
# ARGV: entries before it, the entry, the last entry; what the link says and the digest of that;
# the effect's key or nothing; how many personal values, and these as reference and value.
# Answers {1} when the entry stands, {2, entry} when the key has one already, and {0, last, length}
# when the log has another end. A retry after a lost answer finds its own entry in place, whatever
# came behind it since.
_FUNCTION: Final = """
local function append()
  local before, line = tonumber(ARGV[1]), ARGV[2]
  if ARGV[6] ~= '' then
    local known = redis.call('HGET', KEYS[3], ARGV[6])
    if known then return {2, redis.call('LINDEX', KEYS[1], known - 1)} end
  end
  if redis.call('LINDEX', KEYS[1], before) == line then return {1} end
  local length = redis.call('LLEN', KEYS[1])
  local last = redis.call('LINDEX', KEYS[1], -1) or ''
  if length ~= before or last ~= ARGV[3] then return {0, last, length} end
  local tail = redis.call('LINDEX', KEYS[2], -1)
  local previous = tail and string.sub(tail, -64) or string.rep('0', 64)
  redis.call('RPUSH', KEYS[1], line)
  redis.call('RPUSH', KEYS[2], ARGV[4] .. ' ' .. sha256_of_two(previous, ARGV[5]))
  if ARGV[6] ~= '' then redis.call('HSET', KEYS[3], ARGV[6], before + 1) end
  for i = 1, ARGV[7] do
    redis.call('HSET', KEYS[4], ARGV[6 + 2 * i], ARGV[7 + 2 * i])
  end
  return {1}
end
"""

APPEND: Final = f"{_SHA256}{_FUNCTION}return append()"

# KEYS[5]: personal values of another log; what of them is deleted follows the values in ARGV.
ERASE: Final = f"""{_SHA256}{_FUNCTION}
local done = append()
if done[1] == 1 then
  for i = 8 + 2 * ARGV[7], #ARGV do redis.call('HDEL', KEYS[5], ARGV[i]) end
end
return done
"""

# KEYS[5] to [7]: another log, its keys and personal values, deleted if the log still ends with the
# last of ARGV; else {3}.
REMOVE: Final = f"""{_SHA256}{_FUNCTION}
if redis.call('LINDEX', KEYS[1], tonumber(ARGV[1])) ~= ARGV[2]
  and redis.call('LINDEX', KEYS[5], -1) ~= ARGV[#ARGV] then return {{3}} end
local done = append()
if done[1] == 1 then redis.call('DEL', KEYS[5], KEYS[6], KEYS[7]) end
return done
"""
