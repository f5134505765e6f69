// The OpenAI SDK for JavaScript, unchanged but for base URL and key. Prints
// one JSON line for each case: {"name": …, "error": … or null}.
'use strict';
const { createRequire } = require('node:module');
const assert = require('node:assert/strict');
const load = createRequire(process.env.SDK_DIR + '/');
const OpenAI = load('openai');

const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: process.env.API_KEY });
const hello = [{ role: 'user', content: 'Hello there' }];
const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};

async function refused(params, status, code, key) {
  const one = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: key || process.env.API_KEY, maxRetries: 0 });
  await assert.rejects(one.chat.completions.create(params), (e) => {
    assert.ok(e instanceof OpenAI.APIError, String(e));
    assert.equal(e.status, status);
    assert.equal(e.code, code);
    assert.ok(e.requestID, 'request id');
    return true;
  });
}

const cases = {
  async chat() {
    const r = await client.chat.completions.create({ model: 'demo', messages: hello });
    assert.ok(r.choices[0].message.content);
    assert.ok(r.usage.total_tokens > 0);
    assert.ok(r._request_id);
  },
  async stream() {
    let text = '', last;
    for await (const chunk of await client.chat.completions.create({ model: 'demo:tokens=30', messages: hello, stream: true })) {
      assert.equal(chunk.usage ?? null, null, 'usage that nobody asked for');
      text += chunk.choices[0]?.delta?.content ?? '';
      last = chunk.choices[0]?.finish_reason ?? last;
    }
    assert.ok(text.length > 10);
    assert.ok(last);
  },
  async 'stream with usage'() {
    let usage;
    for await (const chunk of await client.chat.completions.create({
      model: 'demo', messages: hello, stream: true, stream_options: { include_usage: true },
    })) usage = chunk.usage ?? usage;
    assert.ok(usage.total_tokens > 0);
  },
  async 'stream helper'() {
    const final = await client.chat.completions.stream({ model: 'demo', messages: hello }).finalChatCompletion();
    assert.ok(final.choices[0].message.content);
  },
  async tools() {
    const r = await client.chat.completions.create({ model: 'demo', messages: hello, tools: [weather], tool_choice: 'required' });
    const call = r.choices[0].message.tool_calls[0];
    assert.equal(call.function.name, 'get_weather');
    JSON.parse(call.function.arguments);
    const next = await client.chat.completions.create({
      model: 'demo', tools: [weather],
      messages: [...hello, r.choices[0].message, { role: 'tool', tool_call_id: call.id, content: '{"celsius":12}' }],
    });
    assert.match(next.choices[0].message.content, /12/);
  },
  async 'streamed tools'() {
    const run = client.chat.completions.stream({ model: 'demo', messages: hello, tools: [weather], tool_choice: 'required' });
    const message = await run.finalMessage();
    assert.equal(message.tool_calls[0].function.name, 'get_weather');
    JSON.parse(message.tool_calls[0].function.arguments);
  },
  async 'JSON mode'() {
    const r = await client.chat.completions.create({ model: 'demo', messages: hello, response_format: { type: 'json_object' } });
    JSON.parse(r.choices[0].message.content);
  },
  async 'wrong key'() {
    await refused({ model: 'demo', messages: hello }, 401, 'invalid_key', process.env.API_KEY.slice(0, -1) + 'x');
  },
  async 'unknown model'() {
    await refused({ model: 'no-such-model', messages: hello }, 404, 'model_not_found');
  },
  async 'provider fails'() {
    await refused({ model: 'demo:status=500', messages: hello }, 502, 'upstream_error');
  },
  async 'provider fails in the stream'() {
    await assert.rejects(async () => {
      const s = await client.chat.completions.create({ model: 'demo:tokens=100,fail=reset', messages: hello, stream: true }, { maxRetries: 0 });
      for await (const chunk of s) void chunk;
    }, (e) => e instanceof OpenAI.APIError);
  },
  async cancel() {
    const s = await client.chat.completions.create({ model: 'demo:tokens=5000,chunk-delay=50ms', messages: hello, stream: true });
    let n = 0;
    for await (const chunk of s) {
      void chunk;
      if (++n === 3) s.controller.abort();
    }
    assert.ok(n < 20, `${n} chunks after the abort`);
  },
  async models() {
    const names = [];
    for await (const m of client.models.list()) names.push(m.id);
    assert.ok(names.includes('demo'), names.join());
    assert.equal((await client.models.retrieve('demo')).id, 'demo');
  },
};

(async () => {
  for (const [name, run] of Object.entries(cases)) {
    let error = null;
    try {
      await run();
    } catch (e) {
      error = String(e.stack || e);
    }
    console.log(JSON.stringify({ name, error }));
  }
})();
