-- Authenticates requests by API key, in Envoy.
--
-- The filter's context has the SHA-256 digest of each key with lines about its client: name, roles, and rate limits if
-- it has any. Envoy so never has a key in its configuration, and a lookup takes a time that depends on a digest, which
-- a client can't choose.
--
-- A browser sends the key in a cookie, also with requests that another site's page makes. So a write with a cookie must
-- come from a page of this service.

local band, bnot, bor, bxor = bit.band, bit.bnot, bit.bor, bit.bxor
local lshift, rshift, ror, tobit, tohex = bit.lshift, bit.rshift, bit.ror, bit.tobit, bit.tohex

local MAX_LENGTH = 512 -- of a key
local CLIENT, ROLES = "x-shopcat-client", "x-shopcat-roles"
local SESSION = "/console/session" -- there the console gets the key, for the cookie
local MODELS = { predictions = true, explanations = true } -- first segments of the models' addresses
local SAFE = { GET = true, HEAD = true, OPTIONS = true }
local FORBIDDEN = {
  origin = "a page of another site may not write here; the header Origin names another address",
  role = "this needs a key with the role predict",
}

-- Constants of SHA-256 (FIPS 180-4).
local K = {
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
}

local w = {}

-- Return the SHA-256 digest of a text in hexadecimal.
local function sha256(text)
  local length = #text
  text = text .. "\128" .. string.rep("\0", (55 - length) % 64 + 4)
    .. string.char(band(rshift(length, 21), 255), band(rshift(length, 13), 255), band(rshift(length, 5), 255), band(lshift(length, 3), 255))
  local h1, h2, h3, h4 = 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a
  local h5, h6, h7, h8 = 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19
  for block = 1, #text, 64 do
    for i = 1, 16 do
      local x, y, z, t = string.byte(text, block + 4 * i - 4, block + 4 * i - 1)
      w[i] = bor(lshift(x, 24), lshift(y, 16), lshift(z, 8), t)
    end
    for i = 17, 64 do
      local x, y = w[i - 15], w[i - 2]
      local s0 = bxor(ror(x, 7), ror(x, 18), rshift(x, 3))
      local s1 = bxor(ror(y, 17), ror(y, 19), rshift(y, 10))
      w[i] = tobit(w[i - 16] + s0 + w[i - 7] + s1)
    end
    local a, b, c, d, e, f, g, h = h1, h2, h3, h4, h5, h6, h7, h8
    for i = 1, 64 do
      local s1 = bxor(ror(e, 6), ror(e, 11), ror(e, 25))
      local t1 = tobit(h + s1 + bxor(band(e, f), band(bnot(e), g)) + K[i] + w[i])
      local s0 = bxor(ror(a, 2), ror(a, 13), ror(a, 22))
      local t2 = tobit(s0 + bxor(band(a, b), band(a, c), band(b, c)))
      h, g, f, e, d, c, b, a = g, f, e, tobit(d + t1), c, b, a, tobit(t1 + t2)
    end
    h1, h2, h3, h4 = tobit(h1 + a), tobit(h2 + b), tobit(h3 + c), tobit(h4 + d)
    h5, h6, h7, h8 = tobit(h5 + e), tobit(h6 + f), tobit(h7 + g), tobit(h8 + h)
  end
  return tohex(h1) .. tohex(h2) .. tohex(h3) .. tohex(h4) .. tohex(h5) .. tohex(h6) .. tohex(h7) .. tohex(h8)
end

-- Return the lines about the client that has a key, or nil.
local function client_of(context, key)
  return key and #key <= MAX_LENGTH and context:get(sha256(key)) or nil
end

-- Return the key of a header `Authorization: Bearer KEY`, or nil.
local function bearer(header)
  local scheme, key = string.match(header or "", "^(%a+) +(%S+)$")
  return scheme and string.lower(scheme) == "bearer" and key or nil
end

-- Return the key of a cookie, or nil. Two cookies of the name with different keys count as none: another program on this
-- host may have set one of them.
local function cookie(header, name)
  local found
  for pair in string.gmatch(header, "[^;]+") do
    local key, value = string.match(pair, "^%s*([^=%s]+)%s*=%s*(%S*)%s*$")
    if key == name then
      if found and found ~= value then
        return nil
      end
      found = value
    end
  end
  return found and (string.gsub(found, "%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

-- Return true if a request comes from a page of this service.
local function has_own_origin(headers, context)
  local here = context:get("origin")
  if not here or here == "" then
    here = headers:get("x-forwarded-proto") .. "://" .. headers:get(":authority")
  end
  return headers:get("origin") == here
end

-- Set the client's name. Return the status of a request that has no key, or may not do this; nil for any other.
local function authenticate(handle)
  local headers, context = handle:headers(), handle:filterContext()
  local key, authorization, cookies = headers:get("x-api-key"), headers:get("authorization"), headers:get("cookie")
  local path, method = headers:get(":path"), headers:get(":method")
  local client = client_of(context, key) or client_of(context, bearer(authorization))
  local by_cookie = cookies and not key and not authorization
  if by_cookie then
    client = client_of(context, cookie(cookies, context:get("cookie")))
  end
  if key and not (path == SESSION and method == "POST") then
    headers:remove("x-api-key")
  end
  if authorization then
    headers:remove("authorization")
  end
  if not client then
    return handle:metadata():get("key") ~= "optional" and "401" or nil
  end
  local metadata = handle:streamInfo():dynamicMetadata()
  local name, roles, limits = string.match(client, "^([^\n]*)\n([^\n]*)\n?(.*)$")
  if limits ~= "" then -- for the response to a request beyond the limits
    metadata:set("shopcat", "limits", limits)
  end
  headers:add(CLIENT, name)
  metadata:set("shopcat", "client", name) -- for the log and the trace: a client can set the header of a bad request
  local forbidden
  if by_cookie and not SAFE[method] and not has_own_origin(headers, context) then
    forbidden = "origin"
  end
  if not MODELS[string.match(path, "^/(%a+)/")] then
    headers:add(ROLES, roles)
  elseif not string.find(roles, "predict", 1, true) then
    forbidden = forbidden or "role"
  end
  if forbidden then
    metadata:set("shopcat", "forbidden", FORBIDDEN[forbidden])
    return "403"
  end
end

function envoy_on_request(handle)
  local succeeded, status = pcall(authenticate, handle) -- Envoy forwards a request whose script has an error
  if not succeeded then
    handle:logErr("a key can't be checked: " .. tostring(status))
    status = "503"
  end
  if status then
    handle:respond({ [":status"] = status }, "")
  end
end
