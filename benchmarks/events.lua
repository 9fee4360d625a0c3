-- Has wrk post batches of events, none twice: wrk -s events.lua URL -- SIZE RUN TOKEN
local size, run, token, thread, sent = 1, 0, "", 0, 0
local threads = 0

function setup(it)
  it:set("thread", threads)
  threads = threads + 1
end

function init(args)
  size, run, token = tonumber(args[1]), tonumber(args[2]), args[3]
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["Authorization"] = "Bearer " .. token
  now = os.time()
end

function request()
  local rows = {}
  for n = 1, size do
    sent = sent + 1
    -- Spread as the random ids of a page are: 32 hex digits.
    local mixed = (sent * 2654435761 + thread * 40503) % 4294967296
    rows[n] = string.format(
      '{"kind":"read","site":"daily","key":"2026/%d","id":"%08x%08x%08x%08x","at":%d,"session":"%08x","dwell":12}',
      sent % 2000, mixed, run, thread, sent, now, math.floor(sent / 8))
  end
  return wrk.format(nil, "/v1/events", nil, '{"events":[' .. table.concat(rows, ",") .. ']}')
end

function done(summary, latency)
  io.write(string.format("%d %d %d %d %d\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99),
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout))
end
