-- Has wrk walk a file of addresses, one a line, and print what came of it as JSON.

local threads = {}
local lines, at = {}, 0

function setup(thread)
  thread:set("place", #threads)
  table.insert(threads, thread)
end

function init(arguments)
  for line in io.lines(arguments[1]) do
    lines[#lines + 1] = wrk.format("GET", line)
  end
  at = tonumber(arguments[2]) + place * 7919
  refused = 0
end

function request()
  at = at % #lines + 1
  return lines[at]
end

function response(status)
  if status ~= 200 then
    refused = refused + 1
  end
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout
  for _, thread in ipairs(threads) do
    failed = failed + thread:get("refused")
  end
  io.write(string.format(
    '{"answers": %d, "failed": %d, "seconds": %.6f, "p50": %.3f, "p99": %.3f, "p999": %.3f}\n',
    summary.requests, failed, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3))
end
