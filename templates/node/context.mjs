/** What a handler is asked: the names are those of OpenFaaS's node templates. */
export class FunctionEvent {
  constructor(request, body) {
    const mark = request.url.indexOf('?');
    this.body = body;
    this.headers = request.headers;
    this.method = request.method;
    this.path = mark < 0 ? request.url : request.url.slice(0, mark);
    this.query = {};
    for (const [name, value] of new URLSearchParams(mark < 0 ? '' : request.url.slice(mark + 1))) {
      const seen = Object.hasOwn(this.query, name) ? this.query[name] : undefined;
      const next = seen === undefined ? value : [seen, value].flat();
      Object.defineProperty(this.query, name, {
        value: next,
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
  }
}

/** How a handler answers: `context.status(201).headers({…}).succeed(value)` or `.fail(error)`. */
export class FunctionContext {
  #status = 200;
  #headers = {};
  #answer;

  constructor(answer) {
    this.cbCalled = 0;
    this.#answer = answer;
  }

  status(code) {
    if (code === undefined) return this.#status;
    this.#status = Number(code);
    return this;
  }

  headers(values) {
    if (values === undefined) return this.#headers;
    this.#headers = values;
    return this;
  }

  succeed(value) {
    this.#once(undefined, value);
  }

  fail(error) {
    if (error instanceof Error) console.error(error);
    this.#once(error ?? 'the function failed');
  }

  #once(error, value) {
    this.cbCalled += 1;
    if (this.cbCalled === 1) this.#answer(error, value);
  }
}
