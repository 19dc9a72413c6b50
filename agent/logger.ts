// The log of the agent itself, as everything else sees it.
export interface Logger {
  debug: (message: string, fields?: object) => void;
  info: (message: string, fields?: object) => void;
  warn: (message: string, fields?: object) => void;
  error: (message: string, fields?: object) => void;
}
