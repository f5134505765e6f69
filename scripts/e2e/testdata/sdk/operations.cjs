// What the SDKs do besides chat. A provider that has no such call refuses in
// words; files, batches and the proxy belong to a credential, not to a route.
'use strict';
const { load, assert, gateway, key, png, main } = require('./suite.cjs');
const OpenAI = load('openai');
const Anthropic = load('@anthropic-ai/sdk');
const { GoogleGenAI } = load('@google/genai');
const { embed, embedMany } = load('ai');
const { createOpenAI } = load('@ai-sdk/openai');
const { createGoogleGenerativeAI } = load('@ai-sdk/google');
const { OpenAIEmbeddings } = load('@langchain/openai');
const { GoogleGenerativeAIEmbeddings } = load('@langchain/google-genai');

const credentials = JSON.parse(process.env.CREDENTIALS);
const openai = new OpenAI({ baseURL: gateway + '/v1', apiKey: key, maxRetries: 0 });
const google = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: gateway } });
const ours = (c, more) => new OpenAI({ baseURL: gateway + '/v1', apiKey: key, maxRetries: 0, defaultHeaders: { 'x-tollgate-provider': credentials[c.model] }, ...more });
const bytes = (text) => new TextEncoder().encode(text);

// has runs what providers of these kinds can do; others must refuse it.
const has = (kinds, run) => async (c) => {
  if (kinds.includes(c.model)) return run(c);
  return assert.rejects(run(c), (e) => {
    const status = e.status ?? e.statusCode ?? (e.lc_error_code && 400);
    assert.ok(status === 400 || /\b400\b|cannot|no calls|does not/.test(String(e.message)), `refused with ${status}: ${e.message}`);
    return true;
  });
};
const embeds = ['chat', 'gemini'];

function vector(v, n) {
  assert.equal(v.length, n);
  const size = Math.sqrt(v.reduce((sum, x) => sum + x * x, 0));
  assert.ok(Math.abs(size - 1) < 1e-3, `length ${size}`);
}

const openaiCases = {
  embedding: has(embeds, async (c) => {
    const r = await openai.embeddings.create({ model: c.model, input: 'A text to embed' });
    vector(r.data[0].embedding, 8);
    assert.ok(r.usage.prompt_tokens > 0);
  }),
  'embedding as floats': has(embeds, async (c) => {
    const plain = await openai.embeddings.create({ model: c.model, input: 'A text to embed', encoding_format: 'float' });
    const packed = await openai.embeddings.create({ model: c.model, input: 'A text to embed' });
    plain.data[0].embedding.forEach((x, i) => assert.ok(Math.abs(x - packed.data[0].embedding[i]) < 1e-6));
  }),
  'embeddings, shorter': has(embeds, async (c) => {
    const r = await openai.embeddings.create({ model: c.model, input: ['One', 'Two', 'Three'], dimensions: 4 });
    assert.deepEqual(r.data.map((d) => d.index), [0, 1, 2]);
    r.data.forEach((d) => vector(d.embedding, 4));
    assert.notDeepEqual(r.data[0].embedding, r.data[1].embedding);
  }),
  completion: async (c) => {
    const r = await openai.completions.create({ model: c.model, prompt: c.say('Good day') });
    assert.match(r.choices[0].text, /Good day/);
    assert.equal(r.choices[0].finish_reason, 'stop');
    assert.ok(r.usage.total_tokens > 0);
  },
  'streamed completion': async (c) => {
    let text = '', n = 0;
    for await (const chunk of await openai.completions.create({ model: c.model, prompt: c.say('Good day'), stream: true })) {
      text += chunk.choices[0]?.text ?? '';
      n++;
    }
    assert.match(text, /Good day/);
    assert.ok(n > 2, `${n} chunks`);
  },
  moderation: has(['chat'], async (c) => {
    const r = await openai.moderations.create({ model: c.model, input: ['peace', 'violence'] });
    assert.deepEqual(r.results.map((x) => x.flagged), [false, true]);
  }),
  image: has(['chat'], async (c) => {
    const r = await openai.images.generate({ model: c.model, prompt: 'A cat', n: 2 });
    assert.deepEqual(r.data.map((d) => d.b64_json), [png, png]);
    assert.equal(r.usage.output_tokens, 200);
  }),
  'image edit': has(['chat'], async (c) => {
    const image = await OpenAI.toFile(Buffer.from(png, 'base64'), 'cat.png', { type: 'image/png' });
    const r = await openai.images.edit({ model: c.model, prompt: 'A dog', image });
    assert.equal(r.data[0].b64_json, png);
  }),
  speech: has(['chat'], async (c) => {
    const r = await openai.audio.speech.create({ model: c.model, voice: 'alloy', input: 'Good day' });
    const wav = Buffer.from(await r.arrayBuffer());
    assert.equal(wav.subarray(0, 4).toString(), 'RIFF');
    assert.equal(wav.length, 44 + 'Good day'.length);
  }),
  transcription: has(['chat'], async (c) => {
    const file = await OpenAI.toFile(Buffer.alloc(5000, 1), 'speech.wav');
    assert.equal((await openai.audio.transcriptions.create({ model: c.model, file })).text, 'heard 5000 bytes of speech.wav');
    assert.equal(await openai.audio.transcriptions.create({ model: c.model, file, response_format: 'text' }), 'heard 5000 bytes of speech.wav\n');
  }),
  files: async (c) => {
    if (c.model !== 'chat') return; // other providers have other files
    const client = ours(c);
    const made = await client.files.create({ purpose: 'batch', file: await OpenAI.toFile(bytes('{"a":1}\n'), 'a.jsonl') });
    assert.equal(made.bytes, 8);
    assert.equal(await (await client.files.content(made.id)).text(), '{"a":1}\n');
    assert.ok((await client.files.list()).data.some((f) => f.id === made.id));
    const batch = await client.batches.create({ input_file_id: made.id, endpoint: '/v1/chat/completions', completion_window: '24h' });
    assert.equal((await client.batches.retrieve(batch.id)).status, 'in_progress');
    assert.equal((await client.batches.cancel(batch.id)).status, 'cancelling');
    assert.equal((await client.files.delete(made.id)).deleted, true);
    await assert.rejects(client.files.retrieve(made.id), OpenAI.NotFoundError);
  },
  proxy: async (c) => {
    // Whatever the provider has, by its own path.
    const r = await fetch(`${gateway}/proxy/${credentials[c.model]}/${c.model === 'gemini' ? 'v1beta/models/m:countTokens' : 'v1/models'}`, {
      method: c.model === 'gemini' ? 'POST' : 'GET', headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: c.model === 'gemini' ? '{"contents":[]}' : undefined,
    });
    assert.equal(r.status, 200, await r.clone().text());
    const body = await r.json();
    assert.ok(c.model === 'gemini' ? body.totalTokens > 0 : body.data[0].id === 'fake-model', JSON.stringify(body));
  },
};

const anthropicCases = {
  'count tokens': async (c) => {
    const client = new Anthropic({ baseURL: gateway, apiKey: key, maxRetries: 0 });
    const r = await client.messages.countTokens({ model: c.model, messages: [{ role: 'user', content: 'How many words are these?' }] });
    assert.ok(r.input_tokens > 3, JSON.stringify(r));
  },
  files: async (c) => {
    if (c.model !== 'messages') return;
    const client = new Anthropic({ baseURL: gateway, apiKey: key, maxRetries: 0, defaultHeaders: { 'x-tollgate-provider': credentials[c.model] } });
    const made = await client.beta.files.upload({ file: await Anthropic.toFile(bytes('words'), 'a.txt', { type: 'text/plain' }) });
    assert.equal(made.size_bytes, 5);
    assert.equal((await client.beta.files.retrieveMetadata(made.id)).filename, 'a.txt');
    assert.equal(await (await client.beta.files.download(made.id)).text(), 'words');
    assert.equal((await client.beta.files.delete(made.id)).id, made.id);
  },
};

const geminiCases = {
  embedding: has(embeds, async (c) => {
    const r = await google.models.embedContent({ model: c.model, contents: 'A text to embed' });
    vector(r.embeddings[0].values, 8);
  }),
  embeddings: has(embeds, async (c) => {
    const r = await google.models.embedContent({ model: c.model, contents: ['One', 'Two'], config: { outputDimensionality: 4 } });
    assert.equal(r.embeddings.length, 2);
    r.embeddings.forEach((e) => vector(e.values, 4));
  }),
  'count tokens': async (c) => {
    const r = await google.models.countTokens({ model: c.model, contents: 'How many words are these?' });
    assert.ok(r.totalTokens > 3, JSON.stringify(r));
  },
};

const vercelCases = {
  'embedding by OpenAI': has(embeds, async (c) => {
    const model = createOpenAI({ baseURL: gateway + '/v1', apiKey: key }).textEmbeddingModel(c.model);
    vector((await embed({ model, value: 'One', maxRetries: 0 })).embedding, 8);
    assert.equal((await embedMany({ model, values: ['One', 'Two'], maxRetries: 0 })).embeddings.length, 2);
  }),
  'embedding by Google': has(embeds, async (c) => {
    const model = createGoogleGenerativeAI({ baseURL: gateway + '/v1beta', apiKey: key }).textEmbeddingModel(c.model);
    vector((await embed({ model, value: 'One', maxRetries: 0 })).embedding, 8);
    assert.equal((await embedMany({ model, values: ['One', 'Two'], maxRetries: 0 })).embeddings.length, 2);
  }),
};

const langchainCases = {
  'embedding by OpenAI': has(embeds, async (c) => {
    const e = new OpenAIEmbeddings({ model: c.model, apiKey: key, maxRetries: 0, configuration: { baseURL: gateway + '/v1' } });
    vector(await e.embedQuery('One'), 8);
    assert.equal((await e.embedDocuments(['One', 'Two'])).length, 2);
  }),
  'embedding by Google': has(embeds, async (c) => {
    const e = new GoogleGenerativeAIEmbeddings({ model: c.model, apiKey: key, maxRetries: 0, baseUrl: gateway });
    vector(await e.embedQuery('One'), 8);
  }),
};

main(['openai', openaiCases], ['anthropic', anthropicCases], ['genai', geminiCases], ['vercel', vercelCases], ['langchain', langchainCases]);
