import { statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { ControlPlane } from '../control/control-plane.js';
import type { RevisionBook } from '../control/revisions.js';
import { WARM_UP_AFTER_MS, warmDesk } from '../control/warm-up.js';
import { DeskThread } from '../control/zone-desk-thread.js';
import { ZoneEditor } from '../control/zone-editor.js';
import type { ZoneFileRecorder } from '../control/zone-file-recorder.js';
import { ZoneWriter } from '../control/zone-writer.js';
import { refuseZoneWrite } from '../control/zones-mode.js';
import type { ServerConfig } from '../sources/server-config.js';
import { YAML_BYTES_MAX } from '../sources/yaml-document.js';
import { FileSet } from '../store/file-set.js';
import type { Log } from './log.js';

export interface ZoneWriting {
  readonly writer: ZoneWriter;
  readonly editor: ZoneEditor;
  /** Finishes what a crash interrupted. To be called before zones are read. */
  recover(): Promise<void>;
  /** Some time later, makes the first change as fast as others. */
  warmLater(): void;
  close(): Promise<void>;
}

/** Shorter than a connection may be silent. */
const PUBLISH_MS = 20_000;

/** How a node changes its zone files. */
export function openZoneWriting(
  config: Pick<ServerConfig, 'zones' | 'state' | 'mode' | 'probes' | 'observers'>,
  parts: {
    readonly control: ControlPlane;
    readonly book: RevisionBook;
    readonly recorder: Pick<ZoneFileRecorder, 'hold'>;
    readonly log: Log;
  },
): ZoneWriting {
  const { zones, state, mode, observers } = config;
  const { control, book, recorder, log } = parts;
  const { programs, folders } = config.probes;
  const isFile = statSync(zones, { throwIfNoEntry: false })?.isFile() ?? false;
  const folder = isFile ? dirname(zones) : zones;
  const files = new FileSet({ folder, intent: join(state, 'zone-write.json'), bytesMax: YAML_BYTES_MAX });
  const desk = new DeskThread({ probes: { programs, folders }, observers });
  const writer = new ZoneWriter(
    { folder, publishMs: PUBLISH_MS, ...(isFile && { only: basename(zones) }) },
    {
      files,
      desk,
      revisions: book,
      served: () => control.zoneList,
      load: (only) => control.loadZones({ paths: [zones], only }),
      hold: () => recorder.hold(),
      refuse: () => refuseZoneWrite(mode)?.detail,
    },
  );
  let warming: NodeJS.Timeout | undefined;
  return {
    writer,
    editor: new ZoneEditor(writer, desk),
    async recover() {
      const done = await files.recover();
      if ('detail' in done) log.error({ ...done }, 'an interrupted change of zones could not be finished');
      else if (done.length > 0) log.warn({ files: done }, 'an interrupted change of zones was finished');
    },
    warmLater() {
      warming = setTimeout(() => void warmDesk(desk), WARM_UP_AFTER_MS).unref();
    },
    close() {
      clearTimeout(warming);
      return desk.close();
    },
  };
}
