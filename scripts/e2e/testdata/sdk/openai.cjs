// openai, chat completions.
'use strict';
const { load, assert, gateway, key, badKey, png, schemas, answerSchema, asks, work, looped, reported, seen, answered, main } = require('./suite.cjs');
const OpenAI = load('openai');

const client = new OpenAI({ baseURL: gateway + '/v1', apiKey: key });
const user = (content) => ({ role: 'user', content });
const tools = Object.entries(schemas).map(([name, parameters]) => ({ type: 'function', function: { name, description: `The ${name}.`, parameters } }));
const create = (c, text, more = {}) => client.chat.completions.create({ model: c.model, messages: [user(c.say(text))], ...more });
const content = (r) => r.choices[0].message.content;

async function loop(c, more) {
  const messages = [user(c.say(asks.loop))];
  for (let n = 0; n < 6; n++) {
    const r = await client.chat.completions.create({ model: c.model, messages, tools, ...more });
    const { message } = r.choices[0];
    messages.push(message);
    if (!message.tool_calls) return { text: message.content, rounds: n };
    for (const t of message.tool_calls) {
      messages.push({ role: 'tool', tool_call_id: t.id, content: JSON.stringify(work(t.function.name, JSON.parse(t.function.arguments))) });
    }
  }
  return assert.fail('the loop has no end');
}

async function refused(promise, type, status, message) {
  await assert.rejects(promise, (e) => {
    assert.ok(e instanceof type, String(e));
    assert.equal(e.status, status);
    assert.match(e.message, message);
    assert.ok(e.requestID, 'request id');
    return true;
  });
}

main(['openai', {
  async chat(c) {
    const r = await client.chat.completions.create({
      model: c.model, messages: [{ role: 'system', content: 'Be brief.' }, user(c.say('Good day'))], temperature: 0.5, top_p: 0.9,
    });
    assert.equal(r.choices[0].finish_reason, 'stop');
    reported(content(r), 'heard: Good day', 'system: Be brief.', 'turns: user');
  },
  async 'multi-turn'(c) {
    const r = await create(c, 'x', {
      messages: [{ role: 'developer', content: 'Be "brief".' }, user('One'), { role: 'assistant', content: 'Two' }, user(c.say('Three'))],
    });
    reported(content(r), 'heard: Three', 'system: Be "brief".', 'turns: user assistant user');
  },
  async stream(c) {
    let text = '', n = 0, last;
    for await (const chunk of await create(c, 'Good day', { stream: true })) {
      text += chunk.choices[0]?.delta?.content ?? '';
      n++;
      last = chunk.choices[0]?.finish_reason ?? last;
      assert.equal(chunk.usage ?? null, null, 'usage that nobody asked for');
    }
    reported(text, 'heard: Good day', 'turns: user');
    assert.ok(n > 3, `${n} chunks`);
    assert.equal(last, 'stop');
  },
  async tool(c) {
    const r = await create(c, asks.tool, { tools });
    const [call] = r.choices[0].message.tool_calls;
    assert.equal(r.choices[0].finish_reason, 'tool_calls');
    work(call.function.name, JSON.parse(call.function.arguments));
  },
  async 'tool required'(c) {
    const r = await create(c, 'Good day', { tools, tool_choice: { type: 'function', function: { name: 'clock' } } });
    assert.equal(r.choices[0].message.tool_calls[0].function.name, 'clock');
  },
  async 'parallel tools'(c) {
    const { tool_calls: calls } = (await create(c, asks.parallel, { tools })).choices[0].message;
    assert.deepEqual(calls.map((t) => t.function.name), ['weather', 'clock']);
    assert.notEqual(calls[0].id, calls[1].id);
  },
  async 'one tool at a time'(c) {
    const { tool_calls: calls } = (await create(c, asks.parallel, { tools, parallel_tool_calls: false })).choices[0].message;
    if (c.model !== 'gemini') assert.equal(calls.length, 1); // Gemini cannot be told
  },
  async 'streamed tools'(c) {
    const message = await client.chat.completions.stream({ model: c.model, messages: [user(c.say(asks.parallel))], tools }).finalMessage();
    assert.equal(message.tool_calls.length, 2);
    for (const t of message.tool_calls) work(t.function.name, JSON.parse(t.function.arguments));
  },
  async 'agent loop'(c) {
    const { text, rounds } = await loop(c, {});
    looped(text);
    assert.equal(rounds, 3);
  },
  async 'agent loop with reasoning'(c) {
    looped((await loop(c, { reasoning_effort: 'low' })).text);
  },
  async 'JSON schema'(c) {
    const r = await create(c, 'Where?', { response_format: { type: 'json_schema', json_schema: { name: 'where', schema: answerSchema, strict: true } } });
    answered(JSON.parse(content(r)));
  },
  async image(c) {
    const r = await create(c, '', {
      messages: [user([{ type: 'image_url', image_url: { url: `data:image/png;base64,${png}` } }, { type: 'text', text: c.say('See') }])],
    });
    reported(content(r), seen, 'heard: See');
  },
  async reasoning(c) {
    const r = await create(c, 'Think', { reasoning_effort: 'low' });
    reported(r.choices[0].message.reasoning_content, 'Thinking about: Think');
    reported(content(r), 'heard: Think');
    if (c.model !== 'messages') assert.ok(r.usage.completion_tokens_details.reasoning_tokens > 0); // Anthropic does not say
  },
  async 'streamed reasoning'(c) {
    let thought = '';
    for await (const chunk of await create(c, 'Think', { reasoning_effort: 'low', stream: true })) thought += chunk.choices[0]?.delta?.reasoning_content ?? '';
    reported(thought, 'Thinking about: Think');
  },
  async usage(c) {
    const u = (await create(c, asks.usage)).usage;
    assert.deepEqual([u.prompt_tokens, u.completion_tokens, u.total_tokens, u.prompt_tokens_details.cached_tokens], [100, 9, 109, 30]);
  },
  async 'streamed usage'(c) {
    let u;
    for await (const chunk of await create(c, asks.usage, { stream: true, stream_options: { include_usage: true } })) u = chunk.usage ?? u;
    assert.deepEqual([u.prompt_tokens, u.completion_tokens, u.total_tokens, u.prompt_tokens_details.cached_tokens], [100, 9, 109, 30]);
  },
  async stop(c) {
    const r = await create(c, 'Good day', { stop: ['turns'] });
    assert.ok(!content(r).includes('turns') && content(r).includes('Good day'));
    assert.equal(r.choices[0].finish_reason, 'stop');
  },
  async 'max tokens'(c) {
    const r = await create(c, 'Good day', { max_completion_tokens: 3 });
    assert.equal(content(r), 'heard: Good day');
    assert.equal(r.choices[0].finish_reason, 'length');
  },
  async 'unknown model'(c) {
    await refused(create({ ...c, model: 'nowhere' }, 'x'), OpenAI.NotFoundError, 404, /nowhere|model/);
  },
  async 'wrong key'(c) {
    const stranger = new OpenAI({ baseURL: gateway + '/v1', apiKey: badKey });
    await refused(stranger.chat.completions.create({ model: c.model, messages: [user('x')] }), OpenAI.AuthenticationError, 401, /key/);
  },
  async 'limit, with retries'(c) {
    await refused(create(c, asks.limit), OpenAI.RateLimitError, 429, /fake failure 429|limit/);
    return { attempts: 3 };
  },
  async 'provider refuses'(c) {
    await refused(create(c, asks.refuse), OpenAI.BadRequestError, 400, /fake failure 400/);
    return { attempts: 1 };
  },
  async 'failure in the stream'(c) {
    await assert.rejects(async () => {
      for await (const chunk of await create(c, asks.broken, { stream: true })) void chunk;
    }, (e) => e instanceof OpenAI.APIError);
  },
  async cancel(c) {
    const s = await create(c, asks.slow, { stream: true });
    let n = 0;
    for await (const chunk of s) {
      void chunk;
      if (++n === 3) s.controller.abort();
    }
    assert.ok(n < 50, `${n} chunks after the end`);
    return { cancelled: true };
  },
}]);
