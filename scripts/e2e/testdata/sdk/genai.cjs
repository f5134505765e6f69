// @google/genai.
'use strict';
const { load, assert, gateway, key, badKey, png, schemas, answerSchema, asks, work, looped, reported, seen, answered, main } = require('./suite.cjs');
const { GoogleGenAI, ApiError, FunctionCallingConfigMode, Type } = load('@google/genai');

const connect = (apiKey, more) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: gateway, ...more } });
const client = connect(key);
const functionDeclarations = Object.entries(schemas).map(([name, parametersJsonSchema]) => ({ name, description: `The ${name}.`, parametersJsonSchema }));
// The same in the API's own form of schemas.
const own = [{ functionDeclarations: [{ name: 'weather', description: 'The weather.', parameters: { type: Type.OBJECT, properties: { city: { type: Type.STRING } }, required: ['city'] } }] }];
const tools = [{ functionDeclarations }];
const request = (c, text, config) => ({ model: c.model, contents: c.say(text), config });
const create = (c, text, config = {}) => client.models.generateContent(request(c, text, config));

async function loop(c, config) {
  const contents = [{ role: 'user', parts: [{ text: c.say(asks.loop) }] }];
  for (let n = 0; n < 6; n++) {
    const r = await client.models.generateContent({ model: c.model, contents, config: { tools, ...config } });
    contents.push(r.candidates[0].content);
    if (!r.functionCalls) return r.text;
    contents.push({
      role: 'user',
      parts: r.functionCalls.map((f) => ({ functionResponse: { id: f.id, name: f.name, response: work(f.name, f.args) } })),
    });
  }
  return assert.fail('the loop has no end');
}

async function refused(promise, status, message) {
  await assert.rejects(promise, (e) => {
    assert.ok(e instanceof ApiError, String(e));
    assert.equal(e.status, status);
    assert.match(e.message, message);
    return true;
  });
}

main(['genai', {
  async chat(c) {
    const r = await create(c, 'Good day', { systemInstruction: 'Be brief.', temperature: 0.5, topP: 0.9 });
    assert.equal(r.candidates[0].finishReason, 'STOP');
    reported(r.text, 'heard: Good day', 'system: Be brief.', 'turns: user');
  },
  async 'multi-turn'(c) {
    const chat = client.chats.create({ model: c.model, history: [{ role: 'user', parts: [{ text: 'One' }] }, { role: 'model', parts: [{ text: 'Two' }] }] });
    reported((await chat.sendMessage({ message: c.say('Three') })).text, 'heard: Three', 'turns: user assistant user');
    reported((await chat.sendMessage({ message: 'Four' })).text, 'heard: Four', 'turns: user assistant user assistant user');
  },
  async stream(c) {
    let text = '', n = 0, last;
    for await (const chunk of await client.models.generateContentStream(request(c, 'Good day'))) {
      text += chunk.text ?? '';
      last = chunk.candidates?.[0]?.finishReason ?? last;
      n++;
    }
    reported(text, 'heard: Good day', 'turns: user');
    assert.ok(n > 2, `${n} chunks`);
    assert.equal(last, 'STOP');
  },
  async tool(c) {
    const [call] = (await create(c, asks.tool, { tools })).functionCalls;
    work(call.name, call.args);
  },
  async 'tool with own schema'(c) {
    const [call] = (await create(c, asks.tool, { tools: own })).functionCalls;
    work(call.name, call.args);
  },
  async 'tool required'(c) {
    const toolConfig = { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY, allowedFunctionNames: ['clock'] } };
    assert.equal((await create(c, 'Good day', { tools, toolConfig })).functionCalls[0].name, 'clock');
  },
  async 'parallel tools'(c) {
    assert.deepEqual((await create(c, asks.parallel, { tools })).functionCalls.map((f) => f.name), ['weather', 'clock']);
  },
  async 'streamed tools'(c) {
    const all = [];
    for await (const chunk of await client.models.generateContentStream(request(c, asks.parallel, { tools }))) all.push(...(chunk.functionCalls ?? []));
    assert.equal(all.length, 2);
    for (const f of all) work(f.name, f.args);
  },
  async 'agent loop'(c) {
    looped(await loop(c, {}));
  },
  async 'history without ids'(c) {
    const contents = [
      { role: 'user', parts: [{ text: 'Go.' }] },
      { role: 'model', parts: ['weather', 'clock'].map((name) => ({ functionCall: { name, args: {} } })) },
      { role: 'user', parts: ['weather', 'clock'].map((name) => ({ functionResponse: { name, response: { of: name } } })) },
      { role: 'model', parts: [{ text: 'Well.' }] },
      { role: 'user', parts: [{ text: c.say('And?') }] },
    ];
    reported((await client.models.generateContent({ model: c.model, contents, config: { tools } })).text, 'weather={"of":"weather"}', 'clock={"of":"clock"}');
  },
  async 'agent loop with reasoning'(c) {
    looped(await loop(c, { thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } }));
  },
  async 'JSON schema'(c) {
    answered(JSON.parse((await create(c, 'Where?', { responseMimeType: 'application/json', responseJsonSchema: answerSchema })).text));
  },
  async 'JSON by own schema'(c) {
    const responseSchema = {
      type: Type.OBJECT, properties: { city: { type: Type.STRING }, count: { type: Type.INTEGER }, tags: { type: Type.ARRAY, items: { type: Type.STRING } } },
      required: ['city', 'count', 'tags'],
    };
    answered(JSON.parse((await create(c, 'Where?', { responseMimeType: 'application/json', responseSchema })).text));
  },
  async image(c) {
    const parts = [{ inlineData: { mimeType: 'image/png', data: png } }, { text: c.say('See') }];
    reported((await client.models.generateContent({ model: c.model, contents: [{ role: 'user', parts }] })).text, seen, 'heard: See');
  },
  async reasoning(c) {
    const r = await create(c, 'Think', { thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 }, maxOutputTokens: 4000 });
    const thoughts = r.candidates[0].content.parts.filter((p) => p.thought);
    reported(thoughts.map((p) => p.text).join(''), 'Thinking about: Think');
    reported(r.text, 'heard: Think');
  },
  async 'streamed reasoning'(c) {
    let thought = '';
    for await (const chunk of await client.models.generateContentStream(request(c, 'Think', { thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } }))) {
      thought += (chunk.candidates?.[0]?.content?.parts ?? []).filter((p) => p.thought).map((p) => p.text).join('');
    }
    reported(thought, 'Thinking about: Think');
  },
  async usage(c) {
    const u = (await create(c, asks.usage)).usageMetadata;
    assert.deepEqual([u.promptTokenCount, u.totalTokenCount, u.cachedContentTokenCount], [100, 109, 30]);
    assert.equal(u.candidatesTokenCount + (u.thoughtsTokenCount ?? 0), 9);
  },
  async 'streamed usage'(c) {
    let u;
    for await (const chunk of await client.models.generateContentStream(request(c, asks.usage))) u = chunk.usageMetadata ?? u;
    assert.deepEqual([u.promptTokenCount, u.totalTokenCount, u.cachedContentTokenCount], [100, 109, 30]);
  },
  async stop(c) {
    const r = await create(c, 'Good day', { stopSequences: ['turns'] });
    assert.ok(!r.text.includes('turns') && r.text.includes('Good day'));
    assert.equal(r.candidates[0].finishReason, 'STOP');
  },
  async 'max tokens'(c) {
    const r = await create(c, 'Good day', { maxOutputTokens: 3 });
    assert.equal(r.text, 'heard: Good day');
    assert.equal(r.candidates[0].finishReason, 'MAX_TOKENS');
  },
  async 'count tokens'(c) {
    const n = await client.models.countTokens({ model: c.model, contents: 'Good day, how are you?' });
    assert.ok(n.totalTokens > 3, `${n.totalTokens}`);
  },
  async models(c) {
    const names = [];
    for await (const m of await client.models.list()) names.push(m.name);
    assert.ok(names.some((n) => n.endsWith(c.model)), names.join());
  },
  async 'unknown model'(c) {
    await refused(create({ ...c, model: 'nowhere' }, 'x'), 404, /model/);
  },
  async 'wrong key'(c) {
    await refused(connect(badKey).models.generateContent(request(c, 'x')), 401, /key/);
  },
  async 'limit, with retries'(c) {
    const patient = connect(key, { retryOptions: { attempts: 2 } });
    await assert.rejects(patient.models.generateContent(request(c, asks.limit)), /429|limit|Too Many/i);
    return { attempts: 2 };
  },
  async 'provider refuses'(c) {
    await refused(create(c, asks.refuse), 400, /fake failure 400/);
    return { attempts: 1 };
  },
  async 'failure in the stream'(c) {
    await assert.rejects(async () => {
      for await (const chunk of await client.models.generateContentStream(request(c, asks.broken))) void chunk;
    });
  },
  async cancel(c) {
    const controller = new AbortController();
    let n = 0;
    try {
      for await (const chunk of await client.models.generateContentStream(request(c, asks.slow, { abortSignal: controller.signal }))) {
        void chunk;
        if (++n === 3) controller.abort();
      }
    } catch (e) {
      assert.equal(e.name, 'AbortError', String(e));
    }
    assert.ok(n < 50, `${n} chunks after the end`);
    return { cancelled: true };
  },
}]);
