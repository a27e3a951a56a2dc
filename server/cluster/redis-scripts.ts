/**
 * The atomic steps of `ClusterStore`, as scripts for Redis 6.2 or later (RESP2 types in, strings out). All keys of a shard have one hash tag, so that in a
 * Redis Cluster they lie on one node:
 *
 *     chatd:{NAME:SHARD}:fence      hash: lineage epoch token node address heir members renewal last lastToken incarnation
 *     chatd:{NAME:SHARD}:lease      string: the owner's token, with an expiry
 *     chatd:{NAME:SHARD}:log        stream: t token, p token of the entry before, r bytes; ids are EPOCH-NUMBER
 *     chatd:{NAME:SHARD}:confirmed  hash: node → EPOCH-NUMBER TOKEN c|f
 *     chatd:{NAME:SHARD}:round      hash: token incarnation, and for each vote v:NODE → EPOCH-NUMBER TOKEN EPOCH CHANGE
 *     chatd:{NAME}:nodes            hash: node → MS ADDRESS VERSION
 *     chatd:{NAME}:lives            hash: node → TOKEN MS, of the process that has the name, and when it said so
 *
 * Names are checked before they come here: no spaces, no commas.
 */

/** Which life of Redis this is: the process, and since when it is a primary. Neither survives what can lose writes. */
const LIFE = `
local function life()
  local server = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
  return server .. string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
end
local function hash(key)
  local flat, map = redis.call('HGETALL', key), {}
  for i = 1, #flat, 2 do map[flat[i]] = flat[i + 1] end
  return map
end
local function whole(fence, now)
  return fence.incarnation == now and (not fence.last or redis.call('EXISTS', KEYS[3]) == 1)
end
local function last(fence)
  if fence.last and redis.call('EXISTS', KEYS[3]) == 1 then return fence.last, fence.lastToken end
  return '', ''
end
local function round(now)
  local votes = hash(KEYS[4])
  if votes.token and votes.incarnation == now then return votes end
  return nil
end
local function split(text, separator)
  local parts = {}
  for part in string.gmatch(text, '([^' .. separator .. ']+)') do parts[#parts + 1] = part end
  return parts
end
local function numbers(id)
  local epoch, number = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(epoch), tonumber(number)
end
local function behind(one, other)
  local oneEpoch, oneNumber = numbers(one)
  local epoch, number = numbers(other)
  return oneEpoch < epoch or (oneEpoch == epoch and oneNumber < number)
end
`

/** KEYS: fence lease log round. ARGV: token of a new round. */
export const LOOK = LIFE + `
local fence, now = hash(KEYS[1]), life()
local isWhole, leaseMs, open = whole(fence, now), redis.call('PTTL', KEYS[2]), ''
if not isWhole and leaseMs < 0 then
  local votes = round(now)
  if votes then open = votes.token
  else
    redis.call('DEL', KEYS[4])
    redis.call('HSET', KEYS[4], 'token', ARGV[1], 'incarnation', now)
    open = ARGV[1]
  end
end
local id, token = last(fence)
return {fence.lineage or '', fence.epoch or '0', fence.node or '', fence.address or '', fence.members or '', fence.heir or '', id, token,
  isWhole and 1 or 0, leaseMs, now, open}
`

/** KEYS: fence lease log round. ARGV: node address token lineage leaseMs id epoch claim members before by change. */
export const ACQUIRE = LIFE + `
local node, token, claim, id = ARGV[1], ARGV[3], ARGV[8], ARGV[6]
local fence, now = hash(KEYS[1]), life()
local isWhole = whole(fence, now)
local function acquired(epoch, isStillWhole, members)
  redis.call('SET', KEYS[2], token, 'PX', ARGV[5])
  local lastId, lastToken = last(fence)
  return {'acquired', epoch, lastId, lastToken, isStillWhole and 1 or 0, members, now}
end
if fence.token == token and tonumber(fence.epoch) > math.max(tonumber(ARGV[7]), (numbers(id))) then return acquired(fence.epoch, isWhole, fence.members or '') end
local leaseMs = redis.call('PTTL', KEYS[2])
if claim ~= 'sure' and leaseMs >= 0 then return {'held', fence.node or '', leaseMs} end
if fence.lineage and fence.lineage ~= ARGV[4] then return {'foreign', fence.lineage} end
local votes = round(now) or {}
local highest = math.max(tonumber(fence.epoch or '0'), tonumber(ARGV[7]), (numbers(id)))
local voted = {}
for key, vote in pairs(votes) do
  if string.sub(key, 1, 2) == 'v:' then
    local parts = split(vote, ' ')
    voted[string.sub(key, 3)] = {id = parts[1], change = parts[4] or ''}
    highest = math.max(highest, tonumber(parts[3]))
  end
end
if claim == 'found' then
  if fence.lineage then return {'founded'} end
  local names = {}
  for name in pairs(voted) do names[#names + 1] = name end
  if #names > 0 then return {'doubt', table.concat(names, ',')} end
elseif claim == 'sure' then
  if fence.epoch and tonumber(fence.epoch) >= tonumber(ARGV[7]) then return {'fenced', fence.epoch} end
elseif isWhole then
  local isMember = false
  for _, member in ipairs(split(fence.members or '', ',')) do isMember = isMember or member == node end
  if not isMember then return {'stranger'} end
else
  local by, change = ARGV[11], ARGV[12]
  local isDone = by == '' or by == node or (voted[by] and voted[by].change == change)
  local wasMember = false
  for _, name in ipairs(split(ARGV[10], ',')) do wasMember = wasMember or name == node end
  local isMember = by == ''
  for _, name in ipairs(split(ARGV[9], ',')) do isMember = isMember or name == node end
  if not isMember and (isDone or not wasMember) then return {'stranger'} end
  if not isDone and not wasMember then return {'doubt', by} end
  local asked = split(ARGV[9], ',')
  asked[#asked + 1] = node
  if not isDone then for _, name in ipairs(split(ARGV[10], ',')) do asked[#asked + 1] = name end end
  local missing, named = {}, {}
  for _, name in ipairs(asked) do
    if not named[name] and (not voted[name] or behind(id, voted[name].id)) then missing[#missing + 1] = name end
    named[name] = true
  end
  if #missing > 0 then return {'doubt', table.concat(missing, ',')} end
end
local isTaken = isWhole and claim == 'take'
local members, epoch = isTaken and fence.members or '', string.format('%.0f', highest + 1)
redis.call('HSET', KEYS[1], 'lineage', ARGV[4], 'epoch', epoch, 'token', token, 'node', node, 'address', ARGV[2], 'heir', '', 'members', members,
  'renewal', '0', 'incarnation', isTaken and now or '')
redis.call('DEL', KEYS[4])
return acquired(epoch, isTaken, members)
`

/** KEYS: fence lease log round confirmed. ARGV: token leaseMs number-that-is-complete ('' unknown) incarnation members number-of-the-renewal. */
export const RENEW = LIFE + `
local fence, now = hash(KEYS[1]), life()
if fence.token ~= ARGV[1] then return {'fenced', fence.epoch or '0'} end
local lastId, lastToken = last(fence)
if ARGV[3] ~= '' then
  local _, number = 0, 0
  if lastId ~= '' then _, number = numbers(lastId) end
  if number < tonumber(ARGV[3]) then return {'gap', lastId, lastToken} end
end
-- A Redis at its limit refuses what could grow, and a lease that goes on does not.
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('PEXPIRE', KEYS[2], ARGV[2])
else redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2]) end
-- Its number is kept where it changes something: an owner says nothing else before it knows that this has come.
local isOvertaken = tonumber(ARGV[6]) < tonumber(fence.renewal or '0')
local isComplete = not isOvertaken and ARGV[3] ~= '' and ARGV[4] == now
if not isOvertaken and fence.members ~= ARGV[5] or isComplete and fence.incarnation ~= now then
  redis.call('HSET', KEYS[1], 'members', ARGV[5], 'renewal', ARGV[6], 'incarnation', isComplete and now or fence.incarnation or '')
end
return {'renewed', now, (isComplete or whole(fence, now)) and 1 or 0, redis.call('HGETALL', KEYS[5])}
`

/** KEYS: fence lease. ARGV: token heir. */
export const RELEASE = `
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[1], 'heir', ARGV[2])
return 1
`

/**
 * KEYS: fence log. ARGV: token, id and token of what has to be last, id of the entry, its token, that of the one before, its bytes, whether replicas are
 * waited for: then what was appended before is written once more, so that there is something to wait for. 1: it is appended.
 */
export const APPEND = `
local fence = redis.call('HMGET', KEYS[1], 'token', 'last', 'lastToken', 'epoch')
if fence[1] ~= ARGV[1] then return {'fenced', fence[4] or '0'} end
local lastId, lastToken = fence[2] or '0-0', fence[3] or '0000000000000000'
if fence[2] and redis.call('EXISTS', KEYS[2]) == 0 then return {'gap', '', ''} end
if lastId == ARGV[4] and lastToken == ARGV[5] then
  if ARGV[8] == '1' then redis.call('HSET', KEYS[1], 'last', lastId) end
  return 1
end
if lastId ~= ARGV[2] or lastToken ~= ARGV[3] then return {'gap', fence[2] or '', fence[3] or ''} end
redis.call('XADD', KEYS[2], ARGV[4], 't', ARGV[5], 'p', ARGV[6], 'r', ARGV[7])
redis.call('HSET', KEYS[1], 'last', ARGV[4], 'lastToken', ARGV[5])
return 1
`

/** KEYS: fence log. ARGV: token, id of the entry, its token, that of the one before, its bytes, id and token of what was found last ('' nothing). 1: it is. */
export const REBASE = `
local fence = redis.call('HMGET', KEYS[1], 'token', 'epoch', 'node', 'last', 'lastToken')
if fence[1] ~= ARGV[1] then return {'fenced', fence[2] or '0'} end
local lastId, lastToken = '', ''
if fence[4] and redis.call('EXISTS', KEYS[2]) == 1 then lastId, lastToken = fence[4], fence[5] end
if lastId == ARGV[2] and lastToken == ARGV[3] then return 1 end
if lastId ~= ARGV[6] or lastToken ~= ARGV[7] then return {'gap', lastId, lastToken} end
redis.call('DEL', KEYS[2])
redis.call('XADD', KEYS[2], ARGV[2], 't', ARGV[3], 'p', ARGV[4], 'r', ARGV[5])
redis.call('HSET', KEYS[1], 'last', ARGV[2], 'lastToken', ARGV[3], 'members', fence[3])
return 1
`

/** KEYS: fence log. ARGV: token id. Whole nodes of the stream at a time, and some thousand entries at most: it is asked again before long. */
export const TRIM = `
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
return redis.call('XTRIM', KEYS[2], 'MINID', '~', ARGV[2], 'LIMIT', 10000)
`

/** KEYS: round. ARGV: node, token of the round, vote. It is refused where another round is on. */
export const VOTE = `
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'v:' .. ARGV[1], ARGV[3])
return 1
`

/**
 * KEYS: nodes lives. ARGV: node ('' shows none), address ('' takes it away), version, oldest that is told in ms, token of the process, how long that has the
 * name in ms, what the one said last that it takes the name from ('' nobody). Of ages below 0, by a clock that was set back, nothing follows.
 */
export const BEAT = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local holder, left = '', 0
if ARGV[1] ~= '' then
  local row = redis.call('HGET', KEYS[2], ARGV[1]) or ''
  local token, ms = string.match(row, '^(%x+) (%d+)$')
  local rest = token and tonumber(ms) + tonumber(ARGV[6]) - now or 0
  if token and token ~= ARGV[5] and row ~= ARGV[7] and rest > 0 then
    holder, left = row, math.min(rest, tonumber(ARGV[6]))
  elseif ARGV[2] == '' then
    redis.call('HDEL', KEYS[1], ARGV[1])
    redis.call('HDEL', KEYS[2], ARGV[1])
  else
    local shown = string.format('%.0f', now)
    redis.call('HSET', KEYS[1], ARGV[1], shown .. ' ' .. ARGV[2] .. ' ' .. ARGV[3])
    redis.call('HSET', KEYS[2], ARGV[1], ARGV[5] .. ' ' .. shown)
  end
end
local flat, seen = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #flat, 2 do
  local ms, address, version = string.match(flat[i + 1], '^(%d+) (%S+) (%S*)$')
  local age = now - tonumber(ms)
  if age <= tonumber(ARGV[4]) then
    seen[#seen + 1] = {flat[i], address, version, math.max(0, age)}
  elseif age > 86400000 then
    redis.call('HDEL', KEYS[1], flat[i])
    redis.call('HDEL', KEYS[2], flat[i])
  end
end
return {holder, left, seen}
`
