-- Judges one request by every window that has a limit, and counts it in all windows or in none.
--
-- KEYS[1]   the counter
-- ARGV[1-6] how many may pass in a second, minute, hour, day, month, year (UTC); empty where there is no limit
-- returns   1 or 0 (may it pass), the second since 1970, and how many requests each of the six windows has had
--
-- A counter is a hash: t requests admitted ever, s the second of the last of them, e the second until which it is
-- kept, and 1 to 6 what t was when a window began. So a window's count is t less that, and one number counts in all.

local key = KEYS[1]
local found = redis.call('HMGET', key, 't', 's', 'e', '1', '2', '3', '4', '5', '6')
local total, last, kept = tonumber(found[1]) or 0, tonumber(found[2]) or 0, tonumber(found[3]) or 0
-- Never back: a window that was full isn't opened again by a clock that was set.
local now = math.max(tonumber(redis.call('TIME')[1]), last)

local function days_before(year)
  local past = year - 1
  return past * 365 + math.floor(past / 4) - math.floor(past / 100) + math.floor(past / 400) - 719162
end

local function month_length(year, month)
  if month == 2 then return days_before(year + 1) - days_before(year) - 337 end
  return (month == 4 or month == 6 or month == 9 or month == 11) and 30 or 31
end

-- The first seconds of the month and year of a time, and of those that follow.
local function calendar(time)
  local day = math.floor(time / 86400)
  local year = 1970 + math.floor(day / 366)
  while days_before(year + 1) <= day do year = year + 1 end
  local month, first = 1, days_before(year)
  while first + month_length(year, month) <= day do
    first = first + month_length(year, month)
    month = month + 1
  end
  return { first * 86400, days_before(year) * 86400 },
    { (first + month_length(year, month)) * 86400, days_before(year + 1) * 86400 }
end

local lengths = { 1, 60, 3600, 86400 }
local starts, ends
local function start(window, time)
  local length = lengths[window]
  return time - time % length
end

local same_day = start(4, now) == start(4, last)
local longest = 0
for window = 1, 6 do
  if ARGV[window] ~= '' then longest = window end
end
if longest > 4 or not same_day then starts, ends = calendar(now) end

local admitted, used, changes = true, {}, {}
for window = 1, 6 do
  local same
  if window <= 4 then
    same = start(window, now) == start(window, last)
  else
    same = same_day or last >= starts[window - 4]
  end
  local base = same and tonumber(found[window + 3]) or total
  if not same then
    changes[#changes + 1] = tostring(window)
    changes[#changes + 1] = string.format('%.0f', total)
  end
  used[window] = total - base
  local limit = tonumber(ARGV[window])
  if limit and used[window] >= limit then admitted = false end
end

if admitted then
  for window = 1, 6 do used[window] = used[window] + 1 end
  local over = longest > 4 and ends[longest - 4] or start(longest, now) + lengths[longest]
  if over > kept then
    changes[#changes + 1] = 'e'
    changes[#changes + 1] = string.format('%.0f', over)
  end
  redis.call('HSET', key, 't', string.format('%.0f', total + 1), 's', string.format('%.0f', now), unpack(changes))
  if over > kept then redis.call('EXPIREAT', key, string.format('%.0f', over)) end
end
return { admitted and 1 or 0, now, used[1], used[2], used[3], used[4], used[5], used[6] }
