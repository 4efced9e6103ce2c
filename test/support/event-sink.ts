/** A response that server-sent events are written to. */
export class TestSink {
  text = '';
  ended = false;
  writableLength = 0;
  write(text: string): void {
    this.text += text;
  }
  end(): void {
    this.ended = true;
  }
  get ids(): readonly number[] {
    return [...this.text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
  }
  get events(): readonly string[] {
    return [...this.text.matchAll(/^event: (.+)$/gm)].map(([, name]) => name!);
  }
}
