// @anthropic-ai/sdk.
'use strict';
const { load, assert, gateway, key, badKey, png, schemas, answerSchema, asks, work, looped, reported, seen, answered, main } = require('./suite.cjs');
const Anthropic = load('@anthropic-ai/sdk').default;

const client = new Anthropic({ baseURL: gateway, apiKey: key });
const user = (content) => ({ role: 'user', content });
const tools = Object.entries(schemas).map(([name, input_schema]) => ({ name, description: `The ${name}.`, input_schema }));
const body = (c, text, more) => ({ model: c.model, max_tokens: 2000, messages: [user(c.say(text))], ...more });
const create = (c, text, more = {}) => client.messages.create(body(c, text, more));
const text = (r) => r.content.filter((b) => b.type === 'text').map((b) => b.text).join('');
const calls = (r) => r.content.filter((b) => b.type === 'tool_use');
const thinking = { type: 'enabled', budget_tokens: 1024 };

async function loop(c, more, failed) {
  const messages = [user(c.say(asks.loop))];
  for (let n = 0; n < 6; n++) {
    const r = await client.messages.create({ model: c.model, max_tokens: 2000, messages, tools, ...more });
    messages.push({ role: 'assistant', content: r.content });
    if (r.stop_reason !== 'tool_use') return { r, rounds: n };
    messages.push(user(calls(r).map((b) => ({
      type: 'tool_result', tool_use_id: b.id, is_error: failed ? true : undefined,
      content: failed || [{ type: 'text', text: JSON.stringify(work(b.name, b.input)) }],
    }))));
  }
  return assert.fail('the loop has no end');
}

async function refused(promise, type, status, message) {
  await assert.rejects(promise, (e) => {
    assert.ok(e instanceof type, String(e));
    assert.equal(e.status, status);
    assert.match(e.message, message);
    assert.equal(e.error.type, 'error');
    return true;
  });
}

main(['anthropic', {
  async chat(c) {
    const r = await create(c, 'Good day', { system: 'Be brief.', temperature: 0.5 });
    assert.equal(r.stop_reason, 'end_turn');
    reported(text(r), 'heard: Good day', 'system: Be brief.', 'turns: user');
  },
  async 'multi-turn'(c) {
    const r = await create(c, '', {
      system: [{ type: 'text', text: 'Be "brief".', cache_control: { type: 'ephemeral' } }],
      messages: [user('One'), { role: 'assistant', content: 'Two' }, user([{ type: 'text', text: c.say('Three') }])],
    });
    reported(text(r), 'heard: Three', 'system: Be "brief".', 'turns: user assistant user');
  },
  async stream(c) {
    let all = '', n = 0;
    const s = client.messages.stream(body(c, 'Good day'));
    s.on('text', (piece) => { all += piece; n++; });
    const r = await s.finalMessage();
    reported(text(r), 'heard: Good day');
    assert.equal(text(r), all);
    assert.ok(n > 2, `${n} pieces`);
    assert.equal(r.stop_reason, 'end_turn');
  },
  async tool(c) {
    const r = await create(c, asks.tool, { tools });
    assert.equal(r.stop_reason, 'tool_use');
    work(calls(r)[0].name, calls(r)[0].input);
  },
  async 'tool required'(c) {
    assert.equal(calls(await create(c, 'Good day', { tools, tool_choice: { type: 'tool', name: 'clock' } }))[0].name, 'clock');
  },
  async 'parallel tools'(c) {
    const all = calls(await create(c, asks.parallel, { tools }));
    assert.deepEqual(all.map((b) => b.name), ['weather', 'clock']);
    assert.notEqual(all[0].id, all[1].id);
  },
  async 'streamed tools'(c) {
    const all = calls(await client.messages.stream(body(c, asks.parallel, { tools })).finalMessage());
    assert.equal(all.length, 2);
    for (const b of all) work(b.name, b.input);
  },
  async 'agent loop'(c) {
    const { r, rounds } = await loop(c, {});
    looped(text(r));
    assert.equal(rounds, 3);
  },
  async 'agent loop with reasoning'(c) {
    looped(text((await loop(c, { thinking })).r));
  },
  async 'failed tools'(c) {
    reported(text((await loop(c, {}, 'it broke')).r), 'it broke');
  },
  async 'JSON schema'(c) {
    const r = await create(c, 'Where?', { output_config: { format: { type: 'json_schema', schema: answerSchema } } });
    answered(JSON.parse(text(r)));
  },
  async image(c) {
    const r = await create(c, '', {
      messages: [user([{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: png } }, { type: 'text', text: c.say('See') }])],
    });
    reported(text(r), seen, 'heard: See');
  },
  async reasoning(c) {
    const r = await create(c, 'Think', { thinking });
    const [first] = r.content;
    assert.equal(first.type, 'thinking');
    reported(first.thinking, 'Thinking about: Think');
    const again = await create(c, '', { thinking, messages: [user(c.say('Think')), { role: 'assistant', content: r.content }, user('More')] });
    reported(text(again), 'heard: More', 'turns: user assistant user');
  },
  async 'streamed reasoning'(c) {
    const r = await client.messages.stream(body(c, 'Think', { thinking })).finalMessage();
    reported(r.content.find((b) => b.type === 'thinking').thinking, 'Thinking about: Think');
    const again = await create(c, '', { thinking, messages: [user(c.say('Think')), { role: 'assistant', content: r.content }, user('More')] });
    reported(text(again), 'heard: More');
  },
  async usage(c) {
    const u = (await create(c, asks.usage)).usage;
    assert.deepEqual([u.input_tokens, u.cache_read_input_tokens, u.output_tokens], [70, 30, 9]);
  },
  async 'streamed usage'(c) {
    const u = (await client.messages.stream(body(c, asks.usage)).finalMessage()).usage;
    assert.deepEqual([u.input_tokens, u.cache_read_input_tokens, u.output_tokens], [70, 30, 9]);
  },
  async stop(c) {
    const r = await create(c, 'Good day', { stop_sequences: ['turns'] });
    assert.ok(!text(r).includes('turns') && text(r).includes('Good day'));
    assert.ok(['stop_sequence', 'end_turn'].includes(r.stop_reason), r.stop_reason);
  },
  async 'max tokens'(c) {
    const r = await create(c, 'Good day', { max_tokens: 3 });
    assert.equal(text(r), 'heard: Good day');
    assert.equal(r.stop_reason, 'max_tokens');
  },
  async 'count tokens'(c) {
    const n = await client.messages.countTokens({ model: c.model, messages: [user('Good day, how are you?')] });
    assert.ok(n.input_tokens > 3, `${n.input_tokens}`);
  },
  async 'unknown model'(c) {
    await refused(create({ ...c, model: 'nowhere' }, 'x'), Anthropic.NotFoundError, 404, /model/);
  },
  async 'wrong key'(c) {
    const stranger = new Anthropic({ baseURL: gateway, apiKey: badKey });
    await refused(stranger.messages.create(body(c, 'x')), Anthropic.AuthenticationError, 401, /key/);
  },
  async 'limit, with retries'(c) {
    await refused(create(c, asks.limit), Anthropic.RateLimitError, 429, /rate_limit_error/);
    return { attempts: 3 };
  },
  async 'provider refuses'(c) {
    await refused(create(c, asks.refuse), Anthropic.BadRequestError, 400, /fake failure 400/);
    return { attempts: 1 };
  },
  async 'failure in the stream'(c) {
    await assert.rejects(client.messages.stream(body(c, asks.broken)).finalMessage(), (e) => e instanceof Anthropic.APIError);
  },
  async cancel(c) {
    const s = await create(c, asks.slow, { stream: true });
    let n = 0;
    for await (const e of s) {
      void e;
      if (++n === 6) s.controller.abort();
    }
    assert.ok(n < 50, `${n} events after the end`);
    return { cancelled: true };
  },
}]);
